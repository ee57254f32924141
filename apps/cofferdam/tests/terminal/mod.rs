//! A program on a terminal of its own: what it shows there, and what somebody writes.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// For a question or the end: programs here wait for a vault on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The terminal, which `script` makes.
pub struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    shown: String,
    read: usize,
}

impl Terminal {
    /// Runs a command there, with the variables that were set for it.
    pub fn run(command: &Command) -> Self {
        let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''"));
        let words: Vec<String> =
            std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
        let mut script = Command::new("script");
        // In the place of the shell, which the key that interrupts would end.
        script.args(["-q", "-e", "-c", &format!("exec {}", words.join(" ")), "/dev/null"]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = script.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut part) {
                if sender.send(part[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard: child.stdin.take().unwrap(), child, screen, shown: String::new(), read: 0 }
    }

    /// Waits until it shows a text that it has not shown before the last wait.
    pub fn until(&mut self, text: &str) {
        let began = Instant::now();
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.screen.recv_timeout(left) {
                Ok(part) => self.shown.push_str(&String::from_utf8_lossy(&part)),
                Err(_) => panic!("it never showed {text:?}, but: {}", self.shown),
            }
        }
    }

    /// Writes; `\x03` is the key that interrupts.
    pub fn write(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until it has ended; its code, and all that it showed.
    pub fn end(mut self) -> (i32, String) {
        let began = Instant::now();
        loop {
            match self.screen.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
                Ok(part) => self.shown.push_str(&String::from_utf8_lossy(&part)),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(_) => panic!("it does not end: {}", self.shown),
            }
        }
        (self.child.wait().unwrap().code().unwrap(), self.shown.replace('\r', ""))
    }
}
