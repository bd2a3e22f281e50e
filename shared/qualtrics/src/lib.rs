//! Survey responses of a Qualtrics brand, as its API v3 gives them. Only reads.
//!
//! Every call makes one HTTP attempt, but for [`Client::verify`], which makes two. An [`Error`] knows by itself whether
//! the attempt may be repeated or needs a human ([`Error::disposition`]).
//!
//! Vendor pages: <https://api.qualtrics.com/>, "Retrieve a Survey Response", "Get Survey", "Who Am I", "OAuth
//! Authentication (Client Credentials)", "API Limits". Shapes as recorded in the fixtures of
//! <https://github.com/ropensci/qualtRics> and <https://github.com/mavenlink/qualtrics_api>.

mod auth;
mod client;
mod error;
mod id;
mod oauth;
mod plain_text;
mod response;
mod survey;
mod verify;

pub use crate::oauth::oauth;
pub use auth::Auth;
pub use client::{Client, User};
pub use error::{Error, ErrorKind, Operation, Words};
pub use id::{InvalidId, ResponseId, SurveyId};
pub use plain_text::plain_text;
pub use response::SurveyResponse;
pub use survey::{Question, Survey};
pub use vendor_http::{Answer, BaseUrl, Call};
pub use verify::{Check, Verified};
