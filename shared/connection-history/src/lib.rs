//! The history of connections without holes: which window of a vendor's report is read next, how a walk through its pages
//! goes on, and what becomes of a record that is read again.
//!
//! The vendor tells nothing by itself and shows records late, some first without their end, so the history is read
//! again and again. **Invariant**: a window begins before the moment at which the last walk began that was stored
//! wholly. That moment, the watermark, moves when the last page of a walk is stored, and never otherwise: not with a
//! changed interval, a pause, a failure or a process that was killed. Once a day a window reaches back further, from a
//! watermark of its own.
//!
//! What is shown at most [`Reach::overlap`] after its start is there after the next window; what is shown at most
//! [`Reach::deep`] after its start, after the next deep one.
//!
//! Nothing here reads a clock or a table.

mod history;
mod merge;
mod pace;
mod patience;
mod reach;
mod reference;
mod standstill;

pub use history::{Asked, Cause, Counts, History, PageStored, Refused, Step, Walk};
pub use merge::merge;
pub use patience::{Found, after_failed_look, look_again};
pub use reach::Reach;
pub use reference::{Clues, task};
pub use standstill::stands_still_since;
