//! The network rules of an account: read from a request, shown, and decided by.

use arm::{ArmError, Fields, ResourceId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fmt, net::IpAddr, str::FromStr};

const MOST_RULES: usize = 400;
/// The type of the identities that *AzureServices* lets in.
const VAULTS: &str = "Microsoft.DataProtection/backupVaults";

/// Who reaches the data of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkRules {
    /// Whether those are refused that no rule lets in.
    pub deny: bool,
    /// Whether Backup vaults are let in without being listed, by *AzureServices*; and the other words, which mean nothing
    /// here and are kept.
    pub bypass: Bypass,
    /// Addresses that are let in.
    pub ips: Vec<IpRange>,
    /// Resources whose managed identities are let in.
    pub resources: Vec<ResourceRule>,
    /// Whether public access is switched off: then no address is let in.
    pub private: bool,
}

/// What the rules do not hold for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bypass(Vec<String>);

/// A resource whose managed identity is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRule {
    /// Its tenant.
    pub tenant_id: String,
    /// Its id.
    pub resource_id: ResourceId,
}

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpRange {
    address: IpAddr,
    bits: u8,
}

impl NetworkRules {
    /// Whether the rules let someone in: by the address they come from, or as the identity of a resource.
    pub fn admit(&self, peer: Option<IpAddr>, resource: Option<&ResourceId>) -> bool {
        if !self.deny && !self.private {
            return true;
        }
        let by_address =
            !self.private && peer.is_some_and(|peer| self.ips.iter().any(|range| range.holds(peer)));
        by_address || resource.is_some_and(|id| self.admit_resource(id))
    }

    fn admit_resource(&self, id: &ResourceId) -> bool {
        self.resources.iter().any(|rule| rule.resource_id == *id)
            || (self.bypass.services() && id.kind().is(VAULTS))
    }

    /// What a request makes of them; what it leaves out stays.
    pub fn changed(&self, properties: &Fields<'_>, tenant: &str) -> Result<Self, ArmError> {
        let mut rules = self.clone();
        match properties.text("publicNetworkAccess")? {
            None => {}
            Some(word) if word.eq_ignore_ascii_case("Enabled") => rules.private = false,
            Some(word) if word.eq_ignore_ascii_case("Disabled") => rules.private = true,
            Some(_) => return Err(properties.wrong("publicNetworkAccess", "is neither Enabled nor Disabled")),
        }
        let Some(given) = properties.object("networkAcls")? else { return Ok(rules) };
        match given.text("defaultAction")? {
            None => {}
            Some(word) if word.eq_ignore_ascii_case("Allow") => rules.deny = false,
            Some(word) if word.eq_ignore_ascii_case("Deny") => rules.deny = true,
            Some(_) => return Err(given.wrong("defaultAction", "is neither Allow nor Deny")),
        }
        if let Some(words) = given.text("bypass")? {
            rules.bypass = Bypass::read(words).map_err(|why| given.wrong("bypass", why))?;
        }
        if given.items("virtualNetworkRules")?.is_some_and(|rules| !rules.is_empty()) {
            return Err(given.wrong(
                "virtualNetworkRules",
                "are not offered: the vault knows no virtual networks; use ipRules",
            ));
        }
        let mut ips = None;
        for name in ["ipRules", "ipv6Rules"] {
            let Some(list) = given.items(name)? else { continue };
            let ips: &mut Vec<IpRange> = ips.get_or_insert_default();
            for rule in list {
                if rule.text("action")?.is_some_and(|word| !word.eq_ignore_ascii_case("Allow")) {
                    return Err(rule.wrong("action", "must be Allow"));
                }
                let text = rule.required_text("value")?;
                ips.push(text.parse().map_err(|why: String| rule.wrong("value", why))?);
            }
        }
        rules.ips = ips.unwrap_or(rules.ips);
        if let Some(list) = given.items("resourceAccessRules")? {
            rules.resources = list.iter().map(|rule| resource(rule, tenant)).collect::<Result<_, _>>()?;
        }
        if rules.ips.len() > MOST_RULES || rules.resources.len() > MOST_RULES {
            return Err(
                properties.wrong("networkAcls", format!("has more than {MOST_RULES} rules of a kind"))
            );
        }
        Ok(rules)
    }

    /// As clients read them.
    pub fn shown(&self) -> Value {
        let ips = |six: bool| -> Vec<Value> {
            let own = self.ips.iter().filter(|range| range.address.is_ipv6() == six);
            own.map(|range| json!({"value": range.to_string(), "action": "Allow"})).collect()
        };
        json!({
            "bypass": self.bypass.to_string(),
            "defaultAction": if self.deny { "Deny" } else { "Allow" },
            "ipRules": ips(false),
            "ipv6Rules": ips(true),
            "virtualNetworkRules": [],
            "resourceAccessRules": self.resources,
        })
    }
}

fn resource(rule: &Fields<'_>, tenant: &str) -> Result<ResourceRule, ArmError> {
    let resource_id: ResourceId = rule
        .required_text("resourceId")?
        .parse()
        .map_err(|error: arm::IdError| rule.wrong("resourceId", format!("is no resource id: {error}")))?;
    match rule.text("tenantId")?.filter(|given| !given.is_empty()) {
        Some(given) if !given.eq_ignore_ascii_case(tenant) => {
            Err(rule.wrong("tenantId", format!("is '{given}'; this vault knows the tenant {tenant} alone")))
        }
        _ => Ok(ResourceRule { tenant_id: tenant.to_owned(), resource_id }),
    }
}

impl Bypass {
    fn read(text: &str) -> Result<Self, String> {
        let mut words = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let known = ["AzureServices", "Logging", "Metrics", "None"];
            match known.iter().find(|known| known.eq_ignore_ascii_case(word)) {
                Some(&"None") => {}
                Some(known) => words.push((*known).to_owned()),
                None => return Err(format!("holds '{word}'; known are {}", known.join(", "))),
            }
        }
        Ok(Self(words))
    }

    fn services(&self) -> bool {
        self.0.iter().any(|word| word == "AzureServices")
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("None") } else { f.write_str(&self.0.join(", ")) }
    }
}

impl IpRange {
    /// Whether an address is in it. An IPv4 address that came over IPv6 is an IPv4 address.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (own.to_bits() ^ other.to_bits()) & mask == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                (own.to_bits() ^ other.to_bits()) & mask == 0
            }
            _ => false,
        }
    }

    fn most(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }
}

impl FromStr for IpRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(60).collect();
        let wrong = || format!("is '{shown}'; write an address, or a range as ADDRESS/BITS");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address = address.trim().parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let bits = bits.unwrap_or(Self::most(address));
        if bits > Self::most(address) { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == Self::most(self.address) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl TryFrom<String> for IpRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<IpRange> for String {
    fn from(range: IpRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";

    fn rules(acls: Value) -> Result<NetworkRules, ArmError> {
        let body = json!({"networkAcls": acls});
        NetworkRules::default().changed(&Fields::of(&body).unwrap(), "t")
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn ranges_hold_what_begins_with_the_same_bits() {
        let table = [
            ("10.1.0.0/16", "10.1.200.3", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "::ffff:10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "fe80::1", true),
            ("::/0", "1.1.1.1", false),
        ];

        for (range, address, expected) in table {
            let range: IpRange = range.parse().unwrap();
            assert_eq!(range.holds(address.parse().unwrap()), expected, "{range} {address}");
        }
        for wrong in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/x", "host"] {
            assert!(wrong.parse::<IpRange>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn with_deny_only_what_a_rule_names_comes_in() {
        let vault: ResourceId = VAULT.parse().unwrap();
        let other: ResourceId = VAULT.replace("/v", "/w").parse().unwrap();
        let deny = rules(json!({"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.0/8"}]})).unwrap();
        let listed = rules(
            json!({"defaultAction": "Deny", "resourceAccessRules": [{"tenantId": "T", "resourceId": VAULT.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")}]}),
        );
        let listed = listed.unwrap();
        let services = rules(json!({"defaultAction": "Deny", "bypass": "Logging, azureservices"})).unwrap();
        let private = NetworkRules { private: true, ..deny.clone() };

        assert!(NetworkRules::default().admit(ip("1.1.1.1"), None));
        assert!(deny.admit(ip("10.9.9.9"), None));
        assert!(!deny.admit(ip("11.0.0.1"), None));
        assert!(!deny.admit(None, Some(&vault)), "the vault is refused until it is listed");
        assert!(listed.admit(None, Some(&vault)));
        assert!(!listed.admit(ip("10.0.0.1"), Some(&other)));
        assert!(services.admit(None, Some(&other)));
        assert!(!services.admit(None, Some(&"/subscriptions/s/resourceGroups/g".parse().unwrap())));
        assert!(!private.admit(ip("10.9.9.9"), None));
    }

    #[test]
    fn what_is_left_out_stays_and_what_cannot_be_is_refused() {
        let deny = rules(
            json!({"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.1", "action": "Allow"}], "ipv6Rules": [{"value": "::1"}]}),
        );
        let deny = deny.unwrap();
        let body = json!({"networkAcls": {"bypass": "AzureServices"}});
        let after = deny.changed(&Fields::of(&body).unwrap(), "t").unwrap();

        assert!(after.deny && after.ips.len() == 2);
        assert_eq!(after.shown()["bypass"], "AzureServices");
        assert_eq!(deny.shown()["ipv6Rules"][0]["value"], "::1");
        for wrong in [
            json!({"defaultAction": "Maybe"}),
            json!({"bypass": "Friends"}),
            json!({"virtualNetworkRules": [{"id": "x"}]}),
            json!({"ipRules": [{"value": "here"}]}),
            json!({"ipRules": [{"value": "1.1.1.1", "action": "Deny"}]}),
            json!({"resourceAccessRules": [{"tenantId": "other", "resourceId": VAULT}]}),
            json!({"resourceAccessRules": [{"tenantId": "t", "resourceId": "x"}]}),
        ] {
            assert_eq!(rules(wrong.clone()).unwrap_err().code, "InvalidRequestContent", "{wrong}");
        }
    }

    #[test]
    fn they_are_kept_as_they_were() {
        let rules = rules(
            json!({"defaultAction": "Deny", "bypass": "AzureServices", "ipRules": [{"value": "10.0.0.0/8"}],
            "resourceAccessRules": [{"resourceId": VAULT}]}),
        );
        let rules = rules.unwrap();

        let kept: NetworkRules = serde_json::from_value(serde_json::to_value(&rules).unwrap()).unwrap();

        assert_eq!(kept, rules);
    }
}
