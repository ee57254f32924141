//! A folder for what a test writes down for other programs. It is gone when the test's process is, however that ended.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

struct Scratch {
    folder: PathBuf,
    /// Removes the folder when its standard input is closed, as the kernel does for a process that was killed.
    _remover: Child,
}

/// The folder of this process.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    &SCRATCH.get_or_init(Scratch::new).folder
}

impl Scratch {
    fn new() -> Self {
        let made = tempfile::Builder::new().prefix("cofferdam-scenario-").tempdir();
        // Nothing of a process that is killed runs any more: the folder is removed from outside.
        let folder = made.expect("a folder in the temporary directory").keep();
        let remover = Command::new("sh")
            .args(["-c", "read -r _; rm -rf -- \"$1\"", "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Whoever ends the tests by their group does not end it.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        Self { folder, _remover: remover }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;
    use std::{
        io::{BufRead, BufReader},
        time::Duration,
    };

    const ROLE: &str = "COFFERDAM_TEST_SCRATCH";
    const SELF: &str = "scratch::tests::what_a_test_wrote_is_gone_after_it_also_when_it_was_killed";

    /// The same test in a process of its own: writes a file, says where, and ends or stays.
    fn writes(role: &str) {
        let file = scratch().join("secret");
        std::fs::write(&file, "testing").expect("the folder is there");
        println!("\nwrote {}", file.display());
        if role == "stays" {
            std::thread::sleep(Duration::from_secs(600));
        }
    }

    #[test]
    fn what_a_test_wrote_is_gone_after_it_also_when_it_was_killed() {
        if let Ok(role) = std::env::var(ROLE) {
            return writes(&role);
        }
        for role in ["ends", "stays"] {
            let mut other = Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", SELF, "--nocapture"])
                .env(ROLE, role)
                .stdout(Stdio::piped())
                .spawn()
                .expect("it runs again");
            let lines = BufReader::new(other.stdout.take().expect("its output")).lines();
            let told =
                lines.map_while(Result::ok).find_map(|line| line.strip_prefix("wrote ").map(PathBuf::from));
            let file = told.expect("it says what it wrote");
            let stayed = role == "stays" && file.exists();

            if role == "stays" {
                other.kill().expect("it is killed");
            }
            other.wait().expect("it ends");

            assert_eq!(stayed, role == "stays", "the file is there while the process is");
            wait_until("the folder is gone", Duration::from_secs(60), || match file.parent() {
                Some(folder) if folder.exists() => Err(format!("{} is there", folder.display())),
                _ => Ok(()),
            });
        }
    }
}
