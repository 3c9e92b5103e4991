//! `claviger alert test`: does a destination take what it would be sent at night?

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_core::alert::{Answer, Delivery, Desk, Incidents, Notice, NoticeAction, Policy};
use claviger_core::detect::{Detector, Driver, Entity, Finding, Severity};
use claviger_core::fault::Blame;
use claviger_core::minutes::EntityKind;

use super::{Failure, print};
use crate::alert::Sinks;

#[derive(Debug, Args)]
pub(super) struct Alert {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends a test incident to one destination, and its end; exit code 1 if it says no, 3 if it does not answer
    #[command(after_help = "Example: claviger alert test ops --config claviger.toml")]
    Test {
        /// Name of the destination in `[[alert.destinations]]`
        destination: String,
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

pub(super) fn run(arguments: &Alert) -> Result<super::Answer, Failure> {
    let Command::Test { destination, config } = &arguments.command;
    let config = crate::config::load(config)?;
    let plan = crate::config::alert_plan(&config)?;
    if !plan.sinks.contains_key(destination) {
        let known = plan.sinks.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let hint = if known.is_empty() { "none is configured".to_owned() } else { format!("there are: {known}") };
        return Err(Failure::usage(format!("no destination is called `{destination}`"), hint));
    }
    super::wait_for(async {
        let sinks = Sinks::new(&plan, &config.kafka)?;
        let finding = test_finding();
        for action in [NoticeAction::Trigger, NoticeAction::Resolve] {
            let notice = test_notice(&plan.policy, &finding, action).expect("a finding above info opens an incident");
            match sinks.deliver(destination, &notice).await {
                Answer::Accepted => print(&format!("{}: accepted\n", action.name()))?,
                Answer::Busy { reason, .. } | Answer::Failed { reason } | Answer::Refused { reason } => {
                    print(&format!("{}: refused: {reason}\n", action.name()))?;
                    return Ok(super::Answer::No);
                }
                Answer::Unreachable { reason } | Answer::Unclear { reason } => {
                    return Err(Failure {
                        message: format!("`{destination}` did not answer: {reason}"),
                        hint: "check its address, the way to it, and `alert.allow_private_networks`".to_owned(),
                        blame: Blame::Environment,
                    });
                }
            }
        }
        Ok(super::Answer::Yes)
    })?
}

/// An incident that says of itself that it is none. Trigger and resolve of one test share a key.
fn test_notice(policy: &Policy, finding: &Finding, action: NoticeAction) -> Option<Notice> {
    let mut desk = Desk::new(Policy { suppressions: Vec::new(), ..policy.clone() }, Incidents::default());
    let incident = desk.observe(std::slice::from_ref(finding)).first()?.incident.clone();
    if action == NoticeAction::Resolve {
        let quiet_us = policy.resolve_after_us.max(3 * (finding.to_us - finding.from_us));
        desk.advance(finding.to_us.saturating_add(quiet_us));
    }
    desk.notice(&Delivery { incident, notice: if action == NoticeAction::Trigger { 1 } else { 2 }, action })
}

fn test_finding() -> Finding {
    let now_us = chrono::Utc::now().timestamp_micros();
    Finding {
        detector: Detector::HoneyKey,
        entity: Entity { kind: EntityKind::Key, name: "claviger-test".to_owned(), tenant: "claviger-test".to_owned() },
        from_us: now_us - 60_000_000,
        to_us: now_us,
        severity: Severity::Low,
        score: Finding::DETERMINISTIC,
        expected: 0.0,
        seen: 1.0,
        unit: "requests",
        cause: None,
        drivers: vec![Driver { dimension: "network", value: "192.0.2.0/24".to_owned(), share: 1.0 }],
        summary: "This is a test of Claviger's alerts: nothing has happened".to_owned(),
        quiet: "nobody running `claviger alert test`".to_owned(),
    }
}
