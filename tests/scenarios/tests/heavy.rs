//! What the extension holds in memory does not follow what it captures.

use scenarios::{Cluster, Installation, Start, everything, wait_until};
use std::time::Duration;

/// Bytes of each; a Secret may have 1 MiB.
const SIZE: usize = 1_000_000;

/// How many there are, and MiB that the extension may hold.
fn scale() -> (usize, u64) {
    if everything() { (500, 256) } else { (150, 180) }
}

/// Base64 that no two Secrets share and that does not compress.
fn noise(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[(state >> 33) as usize % alphabet.len()])
    };
    std::iter::repeat_with(next).take(SIZE / 3 * 4).collect()
}

fn fill(cluster: &Cluster, namespace: &str, secrets: usize) {
    for group in (0..secrets).collect::<Vec<_>>().chunks(20) {
        let items: Vec<_> = group
            .iter()
            .map(|number| {
                serde_json::json!({
                    "apiVersion": "v1", "kind": "Secret",
                    "metadata": {"name": format!("s{number}"), "namespace": namespace},
                    "data": {"v": noise(*number as u64 + 1)},
                })
            })
            .collect();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
        cluster.try_kubectl(&["create", "-f", "-"], &list.to_string()).ok();
    }
}

#[test]
fn large_secrets_do_not_add_up_in_memory() {
    let (secrets, most) = scale();
    let cluster = Cluster::one();
    let installed = Installation::beside(&cluster, "memory");
    cluster.delete_namespace("heavy");
    cluster.kubectl(&["create", "namespace", "heavy"]);
    fill(&cluster, "heavy", secrets);
    cluster.cofferdam(&["backup", "create", "heavy", "--include-namespaces", "heavy"]).ok();

    let running = Start::new(&cluster, "memory").run();
    let ended = wait_until("the backup's end", Duration::from_secs(240), || {
        let found = installed.resource("backups", "heavy");
        if found["status"]["completionTime"].is_string() { Ok(found) } else { Err(running.log()) }
    });
    let peak = running.peak_memory();
    running.kill();

    assert_eq!(ended["status"]["phase"], "Completed", "{}", ended["status"]);
    assert!(ended["status"]["kinds"]["secrets"].as_u64().is_some_and(|held| held >= secrets as u64));
    assert!(peak <= most, "{peak} MiB resident");
    println!("{peak} MiB resident for {} MiB of Secrets", (secrets * SIZE) >> 20);
    cluster.delete_namespace("heavy");
}
