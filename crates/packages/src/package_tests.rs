use super::*;
use serde_json::json;

pub(crate) fn greeter() -> Value {
    json!({
        "formatVersion": 1, "type": "example.greeter", "version": "1.0.0", "releaseTrain": "stable",
        "namespace": "greeter",
        "settings": {"greeting": {"type": "string", "default": "hello"}},
        "gate": {"cluster": ["P11"]},
        "objects": [
            {"resource": "namespaces", "object": {"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": {"$agent": "namespace"}}}},
            {"resource": "deployments", "object": {"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "greeter", "namespace": {"$agent": "namespace"}}}},
        ],
        "health": [{"kind": "Deployment", "name": "greeter", "withinSeconds": 60}],
    })
}

fn parse(package: &Value) -> Result<Package, PackageError> {
    Package::parse(package.to_string().as_bytes())
}

#[test]
fn a_package_that_follows_the_format_is_read() {
    let package = greeter();

    let read = parse(&package).unwrap();

    assert_eq!(read.kind, "example.greeter");
}

#[test]
fn what_does_not_follow_the_format_is_refused_with_what_is_wrong() {
    type Case = (&'static str, &'static str, Value, &'static str);
    let cases: [Case; 17] = [
        (
            "a place that is no setting",
            "/gate",
            json!({"cluster": ["P17"], "place": {"bucket": "nope"}}),
            "no setting that may be shown",
        ),
        ("another format", "/formatVersion", json!(2), "format 2"),
        ("a path as type", "/type", json!("../x.y"), "type"),
        ("a version that is none", "/version", json!("latest"), "version"),
        ("a namespace with a slash", "/namespace", json!("a/b"), "namespace"),
        ("no objects", "/objects", json!([]), "objects"),
        ("a name that climbs", "/objects/1/object/metadata/name", json!("../../secrets/x"), "metadata.name"),
        (
            "a name from a setting",
            "/objects/1/object/metadata/name",
            json!({"$setting": "greeting"}),
            "metadata.name",
        ),
        ("a plural that climbs", "/objects/1/resource", json!("pods/exec"), "resource"),
        (
            "another namespace",
            "/objects/1/object/metadata/namespace",
            json!("kube-system"),
            "metadata.namespace",
        ),
        ("a list", "/objects/1/object/kind", json!("DeploymentList"), "kind"),
        ("an apiVersion that climbs", "/objects/1/object/apiVersion", json!("apps/../v1"), "apiVersion"),
        ("a setting that is not there", "/objects/1/object/spec", json!({"$setting": "nope"}), "no setting"),
        ("an unknown place", "/objects/1/object/spec", json!({"$shell": "rm"}), "not a place"),
        (
            "a place with more in it",
            "/objects/1/object/spec",
            json!({"$setting": "greeting", "x": 1}),
            "not a place",
        ),
        ("a default of another type", "/settings/greeting/default", json!(["a"]), "default"),
        ("health of what is not there", "/health/0/name", json!("other"), "health rule"),
    ];

    for (name, pointer, value, expected) in cases {
        let mut package = greeter();
        match package.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => {
                package["objects"][1]["object"]["spec"] = value;
            }
        }
        let error = parse(&package).unwrap_err();
        assert_eq!(error.code, crate::code::MALFORMED, "{name}");
        assert!(error.what.contains(expected), "{name}: {}", error.what);
    }
}

#[test]
fn unknown_fields_and_doubles_are_refused() {
    let mut unknown = greeter();
    unknown["preInstall"] = json!("sh");
    let mut double = greeter();
    let again = double["objects"][1].clone();
    double["objects"].as_array_mut().unwrap().push(again);
    let mut many = greeter();
    many["objects"] = Value::Array(vec![greeter()["objects"][0].clone(); 201]);

    assert!(parse(&unknown).unwrap_err().what.contains("preInstall"));
    assert!(parse(&double).unwrap_err().what.contains("twice"));
    assert!(parse(&many).unwrap_err().what.contains("200"));
}

#[test]
fn a_package_of_endless_depth_is_refused_and_not_followed() {
    let deep = format!("{{\"objects\":{}{}", "[".repeat(100_000), "]".repeat(100_000));

    let error = Package::parse(deep.as_bytes()).unwrap_err();

    assert_eq!(error.code, crate::code::MALFORMED);
}
