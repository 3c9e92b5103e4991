//! One process of the service, in one role.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{at_leisure, wait_for};

pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(super) fn start(folder: &Path, role: &str, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .args(["run", "--role", role, "--config"])
            .arg(folder.join("claviger.toml"))
            .stdin(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the binary runs");
        Self { child, log }
    }

    pub(super) fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait_for_end();
        assert!(status.success(), "ended with {status}:\n{}", self.log());
    }

    pub(super) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("`kill` runs").success(), "SIG{name} is refused");
    }

    pub(super) fn wait_for_end(&mut self) -> ExitStatus {
        wait_for("end", || self.child.try_wait().expect("a status"))
    }

    pub(super) fn wait_until_it_judges(&self) {
        self.wait_for_line("this process judges the lake");
        // What comes from now on is judged, what came before is past.
        wait_for("readiness", || self.ask("/ready").filter(|answer| answer.contains("\"waiting_for\":[]")));
    }

    pub(super) fn wait_for_line(&self, text: &str) {
        wait_for(text, || at_leisure(|| self.log().contains(text)));
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// What the process answers over HTTP; `None` while it does not.
    pub(super) fn ask(&self, path: &str) -> Option<String> {
        std::thread::sleep(Duration::from_millis(100));
        let log = self.log();
        let line = log.lines().find(|line| line.contains("\"claviger runs\""))?;
        let line: Value = serde_json::from_str(line).ok()?;
        let address = line["url"].as_str()?.strip_prefix("http://")?.trim_end_matches('/').to_owned();
        get(&address, path).ok()
    }
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut socket = std::net::TcpStream::connect(address)?;
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago; a failed test must not leave it behind.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
