//! The light test binary: the core crate alone, checked in seconds.

mod decode;
