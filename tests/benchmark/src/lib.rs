//! What `make bench` reckons with and writes. The program that measures is `src/bench`; here nothing is started, so that the
//! tests of it are part of `make test`.

pub mod cost;
pub mod deployed;
pub mod figures;
pub mod machine;
pub mod pattern;
pub mod plot;
pub mod report;
pub mod spread;
pub mod tally;
pub mod template;
pub mod way;
