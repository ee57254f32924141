//! Programs that run while something is measured, and what they used.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to end.
const GRACE: Duration = Duration::from_secs(20);

/// A program of the workspace, built beside this one.
pub fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is not built; run `make bench`", path.display());
    }
    Ok(path)
}

/// Runs a program to its end and returns what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What a program printed, whatever its exit code, how long it took, and MiB that it held at most.
pub fn measured(command: &mut Command) -> Result<(String, Duration, f64)> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("could not start {command:?}"))?;
    let process = child.id();
    let watching = std::thread::spawn(move || {
        let mut most = 0.0_f64;
        // The high-water mark is the kernel's: the last look sees all but the last moment.
        while let Ok(now) = peak(process) {
            most = most.max(now);
            std::thread::sleep(Duration::from_millis(5));
        }
        most
    });
    let mut said = String::new();
    let mut output = child.stdout.take().context("no output")?;
    std::io::Read::read_to_string(&mut output, &mut said)?;
    child.wait()?;
    let took = begun.elapsed();
    let most = watching.join().ok().context("the memory was not watched")?;
    Ok((said, took, most))
}

/// A program in the background; it ends with this value.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it, its output in a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("could not start {command:?}"))?;
        Ok(Self(child))
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.0.id()
    }

    /// MiB that it holds in memory now.
    pub fn resident(&self) -> Result<f64> {
        Ok(field(self.0.id(), "VmRSS:").context("no resident memory is known")? / 1024.0)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// MiB that it, and separately its children, held in memory at most. Children that have ended do not count.
    pub fn peak_memory(&self) -> Result<(f64, f64)> {
        let children = children(self.0.id()).into_iter().filter_map(|child| peak(child).ok()).sum();
        Ok((peak(self.0.id())?, children))
    }

    /// Asks it to end and waits a while.
    fn end(&mut self) -> bool {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let begun = Instant::now();
        while asked.is_ok() && begun.elapsed() < GRACE {
            match self.0.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                ended => return ended.is_ok(),
            }
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let children = children(self.0.id());
        if !self.end() && self.0.kill().is_ok() {
            self.0.wait().ok();
        }
        // Plugins outlive a server that could not end them.
        for child in children.into_iter().filter(|child| field(*child, "PPid:") == Some(1.0)) {
            Command::new("kill").arg(child.to_string()).status().ok();
        }
    }
}

/// The processes that a process started.
pub fn children(of: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| field(*process, "PPid:") == Some(f64::from(of)))
        .collect()
}

fn peak(process: u32) -> Result<f64> {
    Ok(field(process, "VmHWM:").context("no peak memory is known")? / 1024.0)
}

fn field(process: u32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
