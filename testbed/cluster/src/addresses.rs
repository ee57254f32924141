//! Which address belongs to whom: one private range for the hub and the nodes,
//! one slice of a second range for the pods of each cluster.

use std::net::Ipv4Addr;

/// The bridge that joins the clusters, the stores and the machine's own shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hub;

impl Hub {
    /// Where stores (and servers of tests) listen.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 213, 0, 1);
    /// The machine's own address on the bridge: what pods call to reach a
    /// process outside every namespace.
    pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 213, 0, 2);
    /// Bits of the network that hub, host and nodes share.
    pub const PREFIX: u8 = 16;
}

/// The addresses of one cluster, all derived from its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPlan {
    number: u8,
    private: bool,
}

impl AddressPlan {
    /// The highest number that a cluster can have.
    pub const LAST: u8 = 199;

    /// The plan of cluster `number`; `None` outside `1..=LAST`.
    pub fn new(number: u8) -> Option<Self> {
        (1..=Self::LAST).contains(&number).then_some(Self { number, private: false })
    }

    /// The same with an API server on an address that no other network has a way to.
    pub fn with_private_api(self, private: bool) -> Self {
        Self { private, ..self }
    }

    /// The address that exists inside the cluster's own network alone, where it has a private API server.
    pub fn private_api(self) -> Option<Ipv4Addr> {
        self.private.then_some(Ipv4Addr::new(10, 215, self.number, 1))
    }

    /// The API server's address.
    pub fn api_address(self) -> Ipv4Addr {
        self.private_api().unwrap_or_else(|| self.node())
    }

    /// The node's address, where the API server listens too unless it is private.
    pub fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 1)
    }

    /// The range that pods get their addresses from.
    pub fn pods(self) -> String {
        format!("10.214.{}.0/24", self.number)
    }

    /// The range of Service addresses; the same in every cluster.
    pub fn services(self) -> &'static str {
        "10.96.0.0/16"
    }

    /// The Service `kubernetes`.
    pub fn kubernetes_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96, 0, 1)
    }

    /// The Service `kube-dns`.
    pub fn dns_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96, 0, 10)
    }

    /// Where the API server answers; unless it is private, reachable from the machine's shell.
    pub fn api_server(self) -> String {
        format!("https://{}:6443", self.api_address())
    }

    /// The name of this cluster's cable in the hub; interface names end at 15 characters.
    pub fn cable(self) -> String {
        format!("cable{}", self.number)
    }

    /// The cluster's number.
    pub fn number(self) -> u8 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_share_no_address_but_the_service_range() {
        let (one, two) = (AddressPlan::new(1), AddressPlan::new(2));

        let (one, two) = (one.unwrap(), two.unwrap());

        assert_ne!(one.node(), two.node());
        assert_ne!(one.pods(), two.pods());
        assert_ne!(one.cable(), two.cable());
        assert_eq!(one.services(), two.services());
    }

    #[test]
    fn no_cluster_takes_the_addresses_of_the_hub() {
        let numbers = [0, AddressPlan::LAST + 1, 255];

        let plans = numbers.map(AddressPlan::new);

        assert_eq!(plans, [None; 3]);
        for number in 1..=AddressPlan::LAST {
            let node = AddressPlan::new(number).unwrap().node();
            assert!(node != Hub::ADDRESS && node != Hub::HOST);
        }
    }
}
