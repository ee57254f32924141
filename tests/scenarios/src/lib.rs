//! End-to-end stories, named as sentences, played against a real cluster.
