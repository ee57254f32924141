//! Asks a person, and listens for the wish to stop. A question is answered by yes or no; without a terminal nobody is asked.

use crate::{exit::Failure, note};
use std::{
    future::Future,
    io::{self, BufRead, IsTerminal},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// What a person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Yes,
    /// Anything else: no is what nobody has to think about.
    No,
    /// Nothing more is to be asked.
    Stop,
}

/// Whether somebody can be asked: they see the question, and can write.
pub fn somebody() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal. Whoever interrupts stops.
pub async fn ask(question: &str, interrupts: &mut Interrupts) -> Result<Answer, Failure> {
    note!("{question}");
    let (sender, receiver) = oneshot::channel();
    // A thread of its own: one that waits for a line must not hold up the end of the process.
    std::thread::spawn(move || sender.send(read(&mut io::stdin().lock())));
    match interrupts.unless(receiver).await {
        None => Ok(Answer::Stop),
        Some(Ok(Ok(answer))) => Ok(answer),
        Some(Ok(Err(error))) => Err(Failure::failed(format!("could not read the answer: {error}"))
            .next("Run it again with `--yes` instead of answering.")),
        Some(Err(_)) => Err(Failure::failed("could not read the answer: its reader ended")
            .next("Run it again with `--yes` instead of answering.")),
    }
}

/// One answer. The end of the input is no answer: nobody is there any more.
fn read(reader: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(Answer::Stop);
    }
    Ok(match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        "q" | "quit" => Answer::Stop,
        _ => Answer::No,
    })
}

/// Listens for SIGINT and SIGTERM from its making on: what comes between two waits is not lost.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Begins to listen.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::failed(format!("could not listen for interruptions: {error}"))
                    .next("Check the limits of this process.")
            })
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// What comes of it, unless somebody interrupts first.
    pub async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => None,
            _ = self.terminate.recv() => None,
            done = work => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes_and_the_end_of_the_input_stops() {
        let answers = |text: &str| {
            let mut reader = io::BufReader::new(text.as_bytes());
            let mut all = Vec::new();
            loop {
                let answer = read(&mut reader).unwrap();
                all.push(answer);
                if answer == Answer::Stop {
                    return all;
                }
            }
        };

        assert_eq!(answers("y\nYES \n"), [Answer::Yes, Answer::Yes, Answer::Stop]);
        assert_eq!(
            answers("\nno\nyess\nj\nq\ny\n"),
            [Answer::No, Answer::No, Answer::No, Answer::No, Answer::Stop]
        );
        assert_eq!(answers(""), [Answer::Stop]);
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_an_error_and_not_a_yes() {
        let mut unreadable: &[u8] = b"y\xff\n";

        assert!(read(&mut unreadable).is_err());
    }

    #[tokio::test]
    async fn work_ends_when_somebody_interrupts_and_not_before() {
        let mut interrupts = Interrupts::listen().unwrap();

        let done = interrupts.unless(async { 7 }).await;
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::TERM).unwrap();
        let interrupted = interrupts.unless(std::future::pending::<u8>()).await;

        assert_eq!((done, interrupted), (Some(7), None));
    }
}
