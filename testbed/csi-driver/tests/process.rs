//! The driver as a process: its sockets come and go with it.

mod common;

use common::{Driver, World};

#[test]
fn kubelet_finds_the_driver_while_it_runs_and_not_afterwards() {
    let world = World::new(4);
    let registry = world.path("plugins_registry");
    let socket = registry.join("one.test@reg.sock");

    let driver = Driver::start(&world, "one.test", &["--registration-dir", registry.to_str().unwrap()]);
    let endpoint = driver.endpoint.clone();
    let found = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        socket.exists()
    });
    driver.stop();

    assert!(found, "no socket in kubelet's registry");
    assert!(!socket.exists() && !endpoint.exists(), "a socket stays behind");
}

#[test]
fn a_driver_starts_where_another_was_killed() {
    let world = World::new(4);

    drop(Driver::start(&world, "one.test", &[]));
    let again = Driver::start(&world, "one.test", &[]);

    again.stop();
}
