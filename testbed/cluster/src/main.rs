//! A real Kubernetes cluster from source, for the demo and the tests.

fn main() {}
