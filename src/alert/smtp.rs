//! The dialogue with a mail server (RFC 5321, 3207, 4954).
//!
//! Decision (2026-11): commands, responses and messages are those of the crate `lettre`; the connection is ours. Its own
//! resolves names itself, so that no checked address could be pinned, and its TLS features would have the whole query
//! engine built a second time.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::alert::Answer;
use claviger_core::config::{MailSpec, MailTls};
use lettre::address::Envelope;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt, Starttls};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::http::resolve;
use super::sinks::SinkError;

/// A response is a handful of short lines.
const RESPONSE_BYTES_MAX: usize = 64 << 10;

pub(super) struct Server {
    spec: MailSpec,
    allow_private: bool,
    tls: Option<TlsConnector>,
}

/// How far the dialogue came when it failed.
enum Broken {
    /// The message had not been handed over.
    Before(String),
    /// The server had the message, and its word is missing.
    After(String),
    /// The server said no to the message itself.
    Refused(String),
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

struct Dialogue(BufReader<Box<dyn Wire>>);

impl Server {
    pub(super) fn new(spec: &MailSpec, allow_private: bool) -> Result<Self, SinkError> {
        let tls = match spec.tls {
            MailTls::None => None,
            MailTls::Implicit | MailTls::Starttls => Some(connector()?),
        };
        Ok(Self { spec: spec.clone(), allow_private, tls })
    }

    pub(super) async fn send(&self, envelope: &Envelope, message: &[u8]) -> Answer {
        match self.talk(envelope, message).await {
            Ok(()) => Answer::Accepted,
            Err(Broken::Before(reason)) => Answer::Failed { reason },
            Err(Broken::After(reason)) => Answer::Unclear { reason },
            Err(Broken::Refused(reason)) => Answer::Refused { reason },
        }
    }

    async fn talk(&self, envelope: &Envelope, message: &[u8]) -> Result<(), Broken> {
        let before = |error: io::Error| Broken::Before(error.to_string());
        let mut dialogue = self.greet().await.map_err(before)?;
        self.log_in(&mut dialogue).await.map_err(before)?;
        let from = envelope.from().cloned();
        dialogue.say(&Mail::new(from, Vec::new()).to_string()).await.map_err(before)?;
        for to in envelope.to() {
            dialogue.say(&Rcpt::new(to.clone(), Vec::new()).to_string()).await.map_err(before)?;
        }
        dialogue.say(&Data.to_string()).await.map_err(before)?;
        let code = dialogue.hand_over(message).await.map_err(|error| Broken::After(error.to_string()))?;
        // Nobody needs the server's farewell.
        let _gone = dialogue.write(&Quit.to_string()).await;
        match code {
            200..=299 => Ok(()),
            500..=599 => Err(Broken::Refused(format!("the mail server says {code}"))),
            _ => Err(Broken::Before(format!("the mail server says {code}"))),
        }
    }

    /// Connects to a checked address, and speaks TLS before anything that matters is said.
    async fn greet(&self) -> io::Result<Dialogue> {
        let MailSpec { host, port, tls, .. } = &self.spec;
        let addresses = resolve(host, *port, self.allow_private).await?;
        let socket = TcpStream::connect(addresses.as_slice()).await?;
        let hello = || Ehlo::new(ClientId::default()).to_string();
        match (tls, &self.tls) {
            (MailTls::Implicit, Some(connector)) => {
                let mut dialogue = Dialogue::over(self.secure(connector, socket).await?);
                dialogue.expect_yes().await?;
                dialogue.say(&hello()).await?;
                Ok(dialogue)
            }
            (MailTls::Starttls, Some(connector)) => {
                let mut plain = Dialogue::over(Box::new(socket));
                plain.expect_yes().await?;
                plain.say(&hello()).await?;
                plain.say(&Starttls.to_string()).await?;
                // What was sent ahead of TLS could be somebody else's words.
                if !plain.0.buffer().is_empty() {
                    return Err(io::Error::other("the server spoke before TLS began"));
                }
                let mut dialogue = Dialogue::over(self.secure(connector, plain.0.into_inner()).await?);
                dialogue.say(&hello()).await?;
                Ok(dialogue)
            }
            (MailTls::None, _) | (_, None) => {
                let mut dialogue = Dialogue::over(Box::new(socket));
                dialogue.expect_yes().await?;
                dialogue.say(&hello()).await?;
                Ok(dialogue)
            }
        }
    }

    async fn secure(&self, connector: &TlsConnector, wire: impl Wire + 'static) -> io::Result<Box<dyn Wire>> {
        let name = ServerName::try_from(self.spec.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(connector.connect(name, wire).await?))
    }

    async fn log_in(&self, dialogue: &mut Dialogue) -> io::Result<()> {
        let Some((username, password)) = &self.spec.login else { return Ok(()) };
        if self.tls.is_none() {
            return Err(io::Error::other("a password is not sent without TLS"));
        }
        let credentials = STANDARD.encode(format!("\0{username}\0{}", password.reveal()));
        dialogue.say(&format!("AUTH PLAIN {credentials}\r\n")).await
    }
}

fn connector() -> Result<TlsConnector, SinkError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(SinkError::CertificatesMissing);
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| SinkError::CertificatesMissing)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Dialogue {
    fn over(wire: Box<dyn Wire>) -> Self {
        Self(BufReader::new(wire))
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes()).await?;
        self.0.get_mut().flush().await
    }

    async fn say(&mut self, command: &str) -> io::Result<()> {
        self.write(command).await?;
        self.expect_yes().await
    }

    async fn expect_yes(&mut self) -> io::Result<()> {
        match self.response().await? {
            200..=399 => Ok(()),
            code => Err(io::Error::other(format!("the mail server says {code}"))),
        }
    }

    /// The message with every leading dot doubled, and the dot that ends it; the server's word on it.
    async fn hand_over(&mut self, message: &[u8]) -> io::Result<u16> {
        let mut stuffed = Vec::with_capacity(message.len() + 16);
        let mut at_line_start = true;
        for &byte in message {
            if at_line_start && byte == b'.' {
                stuffed.push(b'.');
            }
            stuffed.push(byte);
            at_line_start = byte == b'\n';
        }
        if !at_line_start {
            stuffed.extend(b"\r\n");
        }
        stuffed.extend(b".\r\n");
        self.0.get_mut().write_all(&stuffed).await?;
        self.0.get_mut().flush().await?;
        self.response().await
    }

    /// The code of the next response, whatever its text says.
    async fn response(&mut self) -> io::Result<u16> {
        let mut read = 0;
        loop {
            let mut line = Vec::new();
            let mut limited = tokio::io::AsyncReadExt::take(&mut self.0, RESPONSE_BYTES_MAX as u64);
            limited.read_until(b'\n', &mut line).await?;
            read += line.len();
            let code = line.get(..3).and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
            match (code, line.get(3)) {
                (Some(code), Some(b' ' | b'\r' | b'\n')) => return Ok(code),
                (Some(_), Some(b'-')) if read < RESPONSE_BYTES_MAX => {}
                _ => return Err(io::Error::other("the server's answer is no SMTP response")),
            }
        }
    }
}
