//! Records of a ServiceNow instance, read and written through its Table API.
//!
//! Every call makes one HTTP attempt. An [`Error`] knows by itself whether the attempt may be repeated,
//! must be looked up first, or needs a human ([`Error::disposition`]).
//!
//! Vendor pages: [Table API](https://www.servicenow.com/docs/bundle/australia-api-reference/page/integrate/inbound-rest/concept/c_TableAPI.html)
//! and [REST API HTTP response codes](https://www.servicenow.com/docs/bundle/australia-api-reference/page/integrate/inbound-rest/reference/r_RESTAPIHTTPResponseCodes.html).

mod auth;
mod client;
mod differences;
mod error;
mod input;
mod journal;
mod oauth;
mod record;
mod reference;
mod shown;
mod verify;

pub use crate::oauth::oauth;
pub use auth::Auth;
pub use client::Client;
pub use differences::{Difference, differences};
pub use error::{Error, ErrorKind, Operation};
pub use input::{Column, CorrelationId, InvalidInput, QueryText, RecordNumber, SysId, Table};
pub use journal::{Entry, Journal};
pub use record::{Matches, Record};
pub use reference::ReferenceKey;
pub use shown::{FieldPath, RecordKey, Shown};
pub use vendor_http::{Answer, BaseUrl, Call};
pub use verify::{Check, Verified};
