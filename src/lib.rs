//! The shell: thin async rooms around the decisions of `claviger_core`.

pub mod cli;

pub mod identity;

pub mod demo;
