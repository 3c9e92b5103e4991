//! The shell: thin async rooms around the decisions of `claviger_core`.

pub mod cli;

pub mod config;
mod signals;
pub mod telemetry;

pub mod source;

pub mod identity;

pub mod geography;

pub mod lake;

pub mod query;

pub mod signing;

pub mod audit;

pub mod export;

pub mod verify;

pub mod detect;

pub mod alert;

pub mod access;

pub mod pipeline;

pub mod overview;

pub mod report;

pub mod diagnose;

pub mod serve;

pub mod postgres;

pub mod demo;
