//! E-mail: one message a notice, all messages of an incident in one thread.

use claviger_core::alert::payload::{Wording, email};
use claviger_core::alert::{Answer, Notice};
use claviger_core::config::MailSpec;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;

use super::sinks::SinkError;
use super::smtp::Server;

pub(super) struct Mailer {
    from: Mailbox,
    to: Vec<Mailbox>,
    server: Server,
}

impl Mailer {
    pub(super) fn new(name: &str, spec: &MailSpec, allow_private: bool) -> Result<Self, SinkError> {
        let mailbox = |address: &String| {
            let no_address = |_| SinkError::NotAnAddress { destination: name.to_owned(), address: address.clone() };
            address.parse::<Mailbox>().map_err(no_address)
        };
        let to = spec.to.iter().map(mailbox).collect::<Result<_, _>>()?;
        Ok(Self { from: mailbox(&spec.from)?, to, server: Server::new(spec, allow_private)? })
    }

    pub(super) async fn send(&self, notice: &Notice, wording: &Wording) -> Answer {
        match self.message(notice, wording) {
            Ok((envelope, message)) => self.server.send(&envelope, &message).await,
            Err(error) => Answer::Refused { reason: error.to_string() },
        }
    }

    fn message(&self, notice: &Notice, wording: &Wording) -> Result<(Envelope, Vec<u8>), lettre::error::Error> {
        let email = email::email(notice, wording);
        let domain = self.from.email.domain();
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(email.subject)
            .message_id(Some(format!("<{}@{domain}>", email.message_id)))
            .references(format!("<{}@{domain}>", email.thread_id))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message.body(email.text)?;
        Ok((message.envelope().clone(), message.formatted()))
    }
}
