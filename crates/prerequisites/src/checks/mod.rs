//! The catalogue: one file per check, and what their rules share. The order is that in which a person mends things:
//! nothing comes before what it depends on.

mod c01;
mod c02;
mod c03;
mod p01;
mod p02;
mod p03;
mod p04;
mod p05;
mod p06;
mod p07;
mod p08;
mod p09;
mod p10;
mod p11;
mod p12;
mod p13;
mod p14;
mod p15;
mod p16;
mod p17;
mod p18;
mod p19;
mod p20;
mod p21;
mod p22;
mod p23;
mod p24;
mod p25;
mod p26;
mod p27;
mod p28;
mod p29;
mod p30;
mod p31;
mod p32;
mod p33;
mod p34;
mod p35;
mod p36;
mod p37;
mod p38;
mod p39;
mod p40;
mod p41;
mod p42;
mod p43;
mod p44;
mod p45;
mod p46;
mod p47;
mod p48;
mod p49;
mod p50;
mod p51;

pub(crate) use crate::evidence::some;

use crate::verdict::{not_applicable, unseen};
use crate::{Check, ExtensionPods, Facts, Purpose, RoleNeed, Verdict, VolumeKind};

const ALWAYS: &[Purpose] = &[Purpose::Install, Purpose::Backup, Purpose::Restore];
/// A restore neither writes to the location nor cares for other volumes than its own.
const NOT_RESTORE: &[Purpose] = &[Purpose::Install, Purpose::Backup];
/// How those are tested that no test breaks outside of this crate.
const UNITS: &str = "unit tests alone";
/// How those of a resource manager are tested that `--fix` can mend.
const ARM_MENDED: &str =
    "unit test; tests `vault_preflight` and `vault_preflight_fix` against a running vault";
/// How those are tested that are about roles.
const ROLES: &str = "unit test; tests `vault_preflight`, `vault_preflight_fix` and, row by row, `vault_roles_in_one_click` against a running vault; scenario `vault_owned`";
const IN_CLUSTER: &str = "a probe inside of the cluster (`--active`)";

/// Every check.
pub fn catalogue() -> &'static [&'static Check] {
    &CATALOGUE
}

static CATALOGUE: [&Check; 54] = [
    &p11::CHECK,
    &c01::CHECK,
    &p04::CHECK,
    &c02::CHECK,
    &p12::CHECK,
    &p13::CHECK,
    &p06::CHECK,
    &p10::CHECK,
    &p26::CHECK,
    &p15::CHECK,
    &p20::CHECK,
    &p17::CHECK,
    &p18::CHECK,
    &p19::CHECK,
    &p27::CHECK,
    &p28::CHECK,
    &p29::CHECK,
    &c03::CHECK,
    &p43::CHECK,
    &p41::CHECK,
    &p01::CHECK,
    &p30::CHECK,
    &p31::CHECK,
    &p08::CHECK,
    &p33::CHECK,
    &p35::CHECK,
    &p34::CHECK,
    &p36::CHECK,
    &p37::CHECK,
    &p51::CHECK,
    &p38::CHECK,
    &p39::CHECK,
    &p44::CHECK,
    &p16::CHECK,
    &p42::CHECK,
    &p07::CHECK,
    &p14::CHECK,
    &p05::CHECK,
    &p03::CHECK,
    &p09::CHECK,
    &p25::CHECK,
    &p24::CHECK,
    &p22::CHECK,
    &p23::CHECK,
    &p32::CHECK,
    &p21::CHECK,
    &p40::CHECK,
    &p48::CHECK,
    &p49::CHECK,
    &p02::CHECK,
    &p45::CHECK,
    &p46::CHECK,
    &p47::CHECK,
    &p50::CHECK,
];

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn not_installed() -> Verdict {
    not_applicable("the extension is not installed yet: cofferdam install")
}

fn no_target() -> Verdict {
    not_applicable("no target was named (--target-kubeconfig); a restore is judged where it is planned")
}

fn no_vault() -> Verdict {
    unseen("no vault was named (--vault-id, --instance)")
}

fn no_extension() -> Verdict {
    not_applicable("the cluster's resource has no backup extension yet")
}

/// Nobody has looked from inside of the cluster.
fn unseen_in_cluster(what: &str) -> Verdict {
    unseen(format!("{what} is seen only from inside of it, and no probe has run there (--active)"))
}

/// Why the extension's Deployment has no available pod.
fn pods_problem(pods: &ExtensionPods) -> String {
    let why = if pods.waiting.is_empty() { "nothing is said of why".to_owned() } else { some(&pods.waiting) };
    format!("{}: none of {} pods is available: {why}", pods.deployment, pods.wanted)
}

/// The command that gives a role: ours, or that of `az` where Azure is asked.
fn assign(facts: &Facts, role: &RoleNeed) -> String {
    let by = if facts.names.0.contains_key("azure") { "az" } else { "cofferdam" };
    format!(
        "{by} role assignment create --assignee-object-id {} --assignee-principal-type ServicePrincipal --role \"{}\" --scope {}",
        role.principal,
        role.role,
        quoted(&role.scope)
    )
}

/// A word for a POSIX shell: names from elsewhere, such as those of groups with parentheses, run nothing when they are pasted.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=".contains(c);
    match word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Ids of resources do not mind capitals.
pub(crate) fn same_id(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// `West Europe` and `westeurope` are one region.
fn same_region(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace(' ', "").to_lowercase();
    plain(one) == plain(other)
}

/// Whether any volume of the cluster lies on Azure; nothing when volumes were not seen.
fn on_azure(facts: &Facts) -> Option<bool> {
    let volumes = facts.volumes.seen()?;
    let azure = |volume: &crate::ClusterVolume| match &volume.kind {
        VolumeKind::Csi(driver) => driver.ends_with(".csi.azure.com"),
        VolumeKind::InTree(name) => name.starts_with("azure"),
        VolumeKind::Unbound => false,
    };
    Some(volumes.iter().any(azure))
}
