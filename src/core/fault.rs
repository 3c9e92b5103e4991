//! What every error can tell an operator: what failed is its `Display`, what to do is its `hint`.

/// Who has to act. Picks the log level and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The command line or the configuration is wrong.
    Operator,
    /// Broker, disk or network: it may heal by itself.
    Environment,
    /// What was read is damaged or not what it claims to be.
    Data,
    /// An invariant of ours does not hold.
    Bug,
}

impl Blame {
    /// The process exit code of the command line contract: 2 usage, 3 environment (damaged stored
    /// data included, since the operator mends it there), 4 a bug. 1 is kept for "the answer is no".
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Operator => 2,
            Self::Environment | Self::Data => 3,
            Self::Bug => 4,
        }
    }
}

/// Whether trying the same again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Never,
    WithBackoff,
}

/// Implemented by each room's error enum.
pub trait Fault: std::error::Error {
    /// What to do next, as one sentence for the person who reads the log.
    fn hint(&self) -> String;
    fn blame(&self) -> Blame;
    fn retry(&self) -> Retry {
        Retry::Never
    }
}
