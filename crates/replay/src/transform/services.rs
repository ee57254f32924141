//! A Service loses the addresses and ports that the source cluster allocated, and keeps those that a person
//! chose: what a person chose stands in the last applied configuration or has a field manager.

use super::Draft;
use crate::json;
use protection::Problem;
use serde_json::Value;

/// `original_lives`: the original Service is still there and holds its chosen ports.
pub(super) fn apply(draft: &mut Draft, original_lives: bool) {
    let chosen = Chosen::of(&draft.object);
    let spec = &["spec"];
    let headless = json::text(&draft.object, &["spec", "clusterIP"]) == Some("None");
    if !headless && let Some(spec) = json::map_mut(&mut draft.object, spec) {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if !chosen.health_check || original_lives {
        json::take(&mut draft.object, &["spec", "healthCheckNodePort"]);
    }
    if !chosen.families && json::text(&draft.object, &["spec", "ipFamilyPolicy"]) == Some("SingleStack") {
        json::take(&mut draft.object, &["spec", "ipFamilies"]);
        json::take(&mut draft.object, &["spec", "ipFamilyPolicy"]);
    }
    let mut given_up = Vec::new();
    for port in json::items_mut(&mut draft.object, &["spec", "ports"]) {
        let is_chosen = chosen.ports.contains(&PortKey::of(port));
        if is_chosen && !original_lives {
            continue;
        }
        if let Some(node_port) = json::take(port, &["nodePort"]).filter(|_| is_chosen) {
            given_up.push(node_port.to_string());
        }
    }
    if !given_up.is_empty() {
        draft.note(Problem::information(
            crate::codes::CHANGED,
            format!(
                "The original Service still holds node port {}; the copy gets another one.",
                given_up.join(", ")
            ),
        ));
    }
}

/// What a Service asks for without the node ports that the live one may hold: these come free with it.
pub(crate) fn without_node_ports(service: &mut Value) {
    json::take(service, &["spec", "healthCheckNodePort"]);
    for port in json::items_mut(service, &["spec", "ports"]) {
        json::take(port, &["nodePort"]);
    }
}

/// A port of a Service is known by its number and protocol.
#[derive(Debug, PartialEq, Eq)]
struct PortKey {
    port: i64,
    protocol: String,
}

impl PortKey {
    fn of(port: &Value) -> Self {
        Self {
            port: json::at(port, &["port"]).and_then(Value::as_i64).unwrap_or(0),
            protocol: json::text(port, &["protocol"]).unwrap_or("TCP").to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Chosen {
    ports: Vec<PortKey>,
    health_check: bool,
    families: bool,
}

impl Chosen {
    fn of(service: &Value) -> Self {
        let mut chosen = Self::default();
        if let Some(text) = json::annotation(service, "kubectl.kubernetes.io/last-applied-configuration")
            && let Ok(applied) = serde_json::from_str::<Value>(text)
        {
            chosen.read_applied(&applied);
        }
        for entry in json::items(service, &["metadata", "managedFields"]) {
            if json::text(entry, &["subresource"]).is_none_or(str::is_empty)
                && let Some(fields) = json::at(entry, &["fieldsV1", "f:spec"])
            {
                chosen.read_fields(fields);
            }
        }
        chosen
    }

    fn read_applied(&mut self, applied: &Value) {
        for port in json::items(applied, &["spec", "ports"]) {
            if json::at(port, &["nodePort"]).and_then(Value::as_i64).is_some_and(|number| number > 0) {
                self.ports.push(PortKey::of(port));
            }
        }
        self.health_check |= json::at(applied, &["spec", "healthCheckNodePort"]).is_some();
        self.families |= json::at(applied, &["spec", "ipFamilies"]).is_some();
    }

    /// `f:ports` has keys such as `k:{"port":80,"protocol":"TCP"}`.
    fn read_fields(&mut self, fields: &Value) {
        self.health_check |= json::at(fields, &["f:healthCheckNodePort"]).is_some();
        self.families |= json::at(fields, &["f:ipFamilies"]).is_some();
        let Some(ports) = json::at(fields, &["f:ports"]).and_then(Value::as_object) else { return };
        for (key, owned) in ports {
            let key = key.strip_prefix("k:").and_then(|key| serde_json::from_str::<Value>(key).ok());
            if let Some(key) = key
                && json::at(owned, &["f:nodePort"]).is_some()
            {
                self.ports.push(PortKey::of(&key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(metadata: Value) -> Draft {
        let object = json!({
            "metadata": metadata,
            "spec": {
                "type": "NodePort", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"],
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "healthCheckNodePort": 31000,
                "ports": [
                    {"port": 80, "protocol": "TCP", "nodePort": 30080},
                    {"port": 443, "protocol": "TCP", "nodePort": 30443},
                ],
            },
        });
        Draft { object, notes: Vec::new() }
    }

    #[test]
    fn allocated_addresses_and_ports_are_given_back() {
        let mut draft = service(json!({"name": "web"}));

        apply(&mut draft, false);

        assert_eq!(
            draft.object["spec"],
            json!({"type": "NodePort", "ports": [
                {"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"},
            ]})
        );
    }

    #[test]
    fn a_port_that_a_person_applied_is_kept() {
        let applied = json!({"spec": {"ports": [{"port": 443, "nodePort": 30443}]}}).to_string();
        let mut draft = service(json!({
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
        }));

        apply(&mut draft, false);

        assert_eq!(draft.object["spec"]["ports"][0]["nodePort"], Value::Null);
        assert_eq!(draft.object["spec"]["ports"][1]["nodePort"], json!(30443));
    }

    #[test]
    fn a_port_with_a_field_manager_is_kept() {
        let mut draft = service(json!({"managedFields": [{
            "manager": "helm", "operation": "Update",
            "fieldsV1": {"f:spec": {
                "f:healthCheckNodePort": {},
                "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:nodePort": {}, "f:port": {}}},
            }},
        }]}));

        apply(&mut draft, false);

        assert_eq!(draft.object["spec"]["ports"][0]["nodePort"], json!(30080));
        assert_eq!(draft.object["spec"]["ports"][1]["nodePort"], Value::Null);
        assert_eq!(draft.object["spec"]["healthCheckNodePort"], json!(31000));
    }

    #[test]
    fn a_copy_beside_its_original_gives_up_chosen_ports_and_says_so() {
        let applied = json!({"spec": {"ports": [{"port": 443, "nodePort": 30443}]}}).to_string();
        let mut draft = service(json!({
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
        }));

        apply(&mut draft, true);

        assert_eq!(draft.object["spec"]["ports"][1]["nodePort"], Value::Null);
        assert!(draft.notes[0].message.contains("30443"));
    }

    #[test]
    fn a_headless_service_stays_headless() {
        let object = json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
        let mut draft = Draft { object: object.clone(), notes: Vec::new() };

        apply(&mut draft, false);

        assert_eq!(draft.object, object);
    }
}
