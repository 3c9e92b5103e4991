//! An HTTP server that fails as it is told to, and a mail server that writes down what it hears.

#![expect(clippy::disallowed_methods, reason = "a test's servers end with its runtime")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Status(u16),
    /// 429 with `Retry-After: 1`.
    Busy,
    /// Takes the notice in, and resets the connection instead of saying so.
    ResetAfterAccepting,
    /// Answers a byte at a time, without end.
    Drip,
    Hang,
    /// To a path of the same server, which is inward.
    RedirectInward,
}

/// A notice that was taken in.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// `webhook-id`.
    pub(crate) id: String,
    pub(crate) body: Value,
}

/// What was taken in, by path and in order.
#[derive(Default)]
pub(crate) struct Notices(HashMap<String, Vec<Heard>>);

impl Notices {
    pub(crate) fn at(&self, path: &str) -> &[Heard] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }
}

struct State {
    heard: watch::Sender<Notices>,
    /// By path: what happens, and to how many requests.
    faults: Mutex<HashMap<String, (Fault, usize)>>,
}

pub(crate) struct FaultServer {
    pub(crate) address: String,
    state: Arc<State>,
}

impl FaultServer {
    pub(crate) async fn start(faults: &[(&str, Fault, usize)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let faults = faults.iter().map(|(path, fault, times)| ((*path).to_owned(), (*fault, *times))).collect();
        let state = Arc::new(State { heard: watch::Sender::default(), faults: Mutex::new(faults) });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// What was taken in at a path, in order.
    pub(crate) fn heard(&self, path: &str) -> Vec<Heard> {
        self.state.heard.borrow().at(path).to_vec()
    }

    /// To wait for what is taken in.
    pub(crate) fn notices(&self) -> watch::Receiver<Notices> {
        self.state.heard.subscribe()
    }
}

/// One connection, request after request.
async fn answer(socket: TcpStream, state: Arc<State>) {
    let mut socket = BufReader::new(socket);
    while let Some((path, id, body)) = request(&mut socket).await {
        let fault = {
            let mut faults = state.faults.lock().unwrap();
            let fault = faults.get_mut(&path).filter(|(_, times)| *times > 0).map(|(fault, times)| {
                *times -= 1;
                *fault
            });
            if matches!(fault, None | Some(Fault::ResetAfterAccepting)) {
                let body = serde_json::from_slice(&body).expect("a JSON body");
                state.heard.send_modify(|heard| heard.0.entry(path).or_default().push(Heard { id, body }));
            }
            fault
        };
        let head = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n");
        let text = match fault {
            None => format!("{}\r\n", head("202 Accepted")),
            Some(Fault::Status(status)) => format!("{}\r\n", head(&format!("{status} Broken"))),
            Some(Fault::Busy) => format!("{}retry-after: 1\r\n\r\n", head("429 Too Many Requests")),
            Some(Fault::RedirectInward) => format!("{}location: /inward\r\n\r\n", head("307 Temporary Redirect")),
            Some(Fault::ResetAfterAccepting) => {
                let _unlucky = socket.get_ref().set_zero_linger();
                return;
            }
            Some(Fault::Hang) => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                return;
            }
            Some(Fault::Drip) => {
                while socket.get_mut().write_all(b"H").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                return;
            }
        };
        if socket.get_mut().write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Path without its slash, `webhook-id`, and body of the next request.
async fn request(socket: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok()?;
    let path = line.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => value.trim().clone_into(&mut id),
            "content-length" => length = value.trim().parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some((path, id, body))
}

pub(crate) struct MailServer {
    pub(crate) address: String,
    pub(crate) session: JoinHandle<Session>,
}

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) commands: String,
    /// With the dots that were doubled undone.
    pub(crate) message: String,
}

/// Takes one message, without TLS.
pub(crate) async fn mail_server() -> MailServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let session = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a connection");
        let mut socket = BufReader::new(socket);
        let mut session = Session::default();
        say(&mut socket, "220 ready").await;
        while let Some(command) = line(&mut socket).await {
            session.commands.push_str(&command);
            match command.trim_end() {
                "DATA" => {
                    say(&mut socket, "354 go on").await;
                    while let Some(line) = line(&mut socket).await.filter(|line| line != ".\r\n") {
                        session.message.push_str(line.strip_prefix('.').unwrap_or(&line));
                    }
                    say(&mut socket, "250 taken").await;
                }
                "QUIT" => break,
                hello if hello.starts_with("EHLO") => say(&mut socket, "250-mail.test\r\n250 8BITMIME").await,
                _ => say(&mut socket, "250 fine").await,
            }
        }
        session
    });
    MailServer { address, session }
}

async fn line(socket: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    socket.read_line(&mut line).await.ok().filter(|read| *read > 0).map(|_| line)
}

async fn say(socket: &mut BufReader<TcpStream>, text: &str) {
    socket.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.expect("it listens");
}
