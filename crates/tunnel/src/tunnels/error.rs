//! Why a request was not carried, and whether to try again.

use crate::ConnectionId;

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It was not carried out; send it again after a pause.
    Later,
    /// It may have been carried out: again only where twice is as good as once.
    IfIdempotent,
    /// Not before somebody has changed something.
    No,
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// The queue of the cluster.
    Queue,
    /// The watches of the binding, or of all.
    Watches,
}

/// Why a tunnel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The connection broke, or nothing came for 30 s.
    Lost(String),
    /// The cluster came with a new connection.
    Replaced,
    /// The cluster was disconnected.
    Detached,
    /// The vault ends, or this request alone was broken off.
    Dropped,
}

/// Why a request got no answer of the API server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// No gateway.
    #[error("the cluster's gateway is not connected (connection {0})")]
    NotConnected(ConnectionId),
    /// Too much.
    #[error("{}", match .0 {
        Busy::Queue => "too many requests wait for the cluster already",
        Busy::Watches => "as many watches are open in the cluster as may be",
    })]
    Busy(Busy),
    /// It ended while the request waited or was under way.
    #[error("the connection to the cluster ended: {}", match .0 {
        Cut::Lost(how) => how.as_str(),
        Cut::Replaced => "another one of the same cluster took its place",
        Cut::Detached => "the cluster was disconnected",
        Cut::Dropped => "the request was broken off",
    })]
    Cut(Cut),
    /// The gateway knows no such binding.
    #[error("the cluster grants the vault no access: there is no Trusted Access binding {0:?}")]
    Refused(String),
    /// The gateway's own trouble.
    #[error("the cluster's gateway could not reach its API server: {0}")]
    ApiServer(String),
    /// The gateway did not make ServiceAccounts and rights as the list of bindings says.
    #[error("the cluster's gateway could not apply the Trusted Access bindings: {0}")]
    Bindings(String),
    /// A request that cannot be carried.
    #[error("the request cannot be carried to a cluster: {0}")]
    Request(String),
}

impl TunnelError {
    /// Whether to try again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotConnected(_) | Self::Busy(_) | Self::ApiServer(_) | Self::Bindings(_) => Retry::Later,
            Self::Cut(Cut::Detached) | Self::Refused(_) | Self::Request(_) => Retry::No,
            Self::Cut(_) => Retry::IfIdempotent,
        }
    }

    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotConnected(_) => {
                "Check that the gateway runs: `kubectl --namespace kube-system get deployment cofferdam-gateway`; its log says why it does not connect."
            }
            Self::Busy(Busy::Queue) => "Wait until the cluster has answered more of what it was asked.",
            Self::Busy(Busy::Watches) => "Close a watch, or list instead.",
            Self::Cut(Cut::Detached) => "Connect the cluster again: `cofferdam cluster connect`.",
            Self::Cut(_) => "Nothing, if it happens once; else see the gateway's log.",
            Self::Refused(_) => "Create the Trusted Access binding of this vault on the cluster.",
            Self::ApiServer(_) | Self::Bindings(_) => {
                "See the gateway's log, and whether the API server is well."
            }
            Self::Request(_) => "This is a defect; please report it.",
        }
    }
}
