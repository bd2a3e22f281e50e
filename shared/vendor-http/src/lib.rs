//! The one HTTP client through which every vendor is called.
//!
//! It makes one attempt per call, follows no redirect, keeps no cookie and says what it knows about a
//! failure: whether the request can have been carried out. What to do about that is decided in the
//! vendor's crate.

mod authorization;
mod base_url;
mod call;
mod client;
mod failure;
mod request;
mod response;
#[cfg(feature = "test-support")]
pub mod test_support;

pub use authorization::{UnusableToken, basic, bearer};
pub use base_url::{BaseUrl, BaseUrlError};
pub use call::{Answer, Call};
pub use client::{BODY_LIMIT, CONNECT_TIMEOUT, Client, DEFAULT_TIMEOUT, SetupError};
pub use failure::Failure;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
pub use request::Request;
pub use response::{NotJson, Response};
pub use url::Url;
