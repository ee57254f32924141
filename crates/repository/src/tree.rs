//! Tree blobs: the entries of one directory, sorted by name.

use crate::node::check_name;
use crate::node_wire::WireNode;
use crate::{FormatError, Node, limits};
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const WHAT: &str = "a directory";

/// The entries of one directory, sorted by the bytes of their names, each name once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// A directory with these entries, in any order. Names that occur twice or are not names are refused.
    pub fn new(mut nodes: Vec<Node>) -> Result<Self, FormatError> {
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        check_nodes(&nodes)?;
        Ok(Self { nodes })
    }

    /// The entries, sorted by name.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The entries, sorted by name.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// The entry with this name.
    pub fn find(&self, name: &[u8]) -> Option<&Node> {
        let at = self.nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
        self.nodes.get(at)
    }

    /// The plain bytes of the blob.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let wire = WireTree { nodes: Nodes(&self.nodes) };
        let mut json =
            crate::gojson::to_vec(&wire).map_err(|source| FormatError::Json { what: WHAT, source })?;
        json.push(b'\n');
        Ok(json)
    }

    /// The directory from the plain bytes of the blob.
    pub fn decode(plain: &[u8]) -> Result<Self, FormatError> {
        if plain.len() > limits::TREE_BLOB {
            return Err(FormatError::too_large(WHAT, plain.len(), limits::TREE_BLOB));
        }
        let wire: ReadTree =
            serde_json::from_slice(plain).map_err(|source| FormatError::Json { what: WHAT, source })?;
        let nodes = wire.nodes.0;
        if !nodes.is_sorted_by(|a, b| a.name <= b.name) {
            return Err(FormatError::inconsistent(WHAT, "its entries are not sorted"));
        }
        check_nodes(&nodes)?;
        Ok(Self { nodes })
    }
}

/// Names must be names, and each must occur once; `nodes` are sorted.
fn check_nodes(nodes: &[Node]) -> Result<(), FormatError> {
    for node in nodes {
        check_name(&node.name)?;
    }
    let twice = nodes.windows(2).find_map(|pair| match pair {
        [a, b] if a.name == b.name => Some(a.name_lossy()),
        _ => None,
    });
    match twice {
        Some(name) => Err(FormatError::inconsistent(WHAT, format!("the name {name:?} occurs twice"))),
        None => Ok(()),
    }
}

#[derive(Serialize)]
struct WireTree<'a> {
    nodes: Nodes<'a>,
}

struct Nodes<'a>(&'a [Node]);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.0.len()))?;
        for node in self.0 {
            sequence.serialize_element(&WireNode::from(node))?;
        }
        sequence.end()
    }
}

#[derive(Deserialize)]
struct ReadTree {
    nodes: BoundedNodes,
}

/// Nodes read one by one, so that a count beyond the limit is noticed before the memory is gone.
struct BoundedNodes(Vec<Node>);

impl<'de> Deserialize<'de> for BoundedNodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodesVisitor)
    }
}

struct NodesVisitor;

impl<'de> Visitor<'de> for NodesVisitor {
    type Value = BoundedNodes;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of directory entries")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<BoundedNodes, E> {
        Ok(BoundedNodes(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<BoundedNodes, A::Error> {
        let mut nodes = Vec::new();
        while let Some(wire) = sequence.next_element::<WireNode<'de>>()? {
            if nodes.len() >= limits::TREE_NODES {
                let message = format!("more than {} entries in one directory", limits::TREE_NODES);
                return Err(serde::de::Error::custom(message));
            }
            nodes.push(Node::try_from(wire).map_err(serde::de::Error::custom)?);
        }
        Ok(BoundedNodes(nodes))
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
