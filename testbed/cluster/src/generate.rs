//! Fills a cluster with a realistic mix of objects, fast: many creates at once,
//! the same objects for the same numbers every time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use serde_json::{Value, json};

use crate::Error;

/// Objects in one namespace, at most.
const PER_NAMESPACE: usize = 1000;
/// Creates that wait for an answer at the same time.
const CONCURRENT: usize = 64;
const ATTEMPTS: u32 = 10;
const SAY_EVERY: Duration = Duration::from_secs(5);

/// How many objects, and where.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Objects to create, namespaces not counted.
    pub objects: usize,
    /// The namespaces are called this, with a number behind it.
    pub namespace_prefix: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Objects created, per kind.
    pub created: BTreeMap<&'static str, usize>,
    /// Objects that were there already.
    pub existing: usize,
    /// The namespaces.
    pub namespaces: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// One object to create.
#[derive(Debug)]
struct Planned {
    kind: &'static str,
    path: String,
    body: Value,
}

/// Creates the objects; those that exist are left as they are.
pub async fn generate(client: &Client, mix: &Mix) -> Result<Summary, Error> {
    let started = Instant::now();
    let namespaces = namespaces(mix);
    for name in &namespaces {
        let planned = Planned {
            kind: "Namespace",
            path: "/api/v1/namespaces".to_owned(),
            body: json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        };
        create(client, &planned).await?;
    }
    let done = AtomicUsize::new(0);
    let progress = async {
        loop {
            tokio::time::sleep(SAY_EVERY).await;
            println!("  {} of {} objects", done.load(Ordering::Relaxed), mix.objects);
        }
    };
    let creates = stream::iter(0..mix.objects)
        .map(|index| {
            let planned = planned(mix, index);
            let done = &done;
            async move {
                let new = create(client, &planned).await?;
                done.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Error>((planned.kind, new))
            }
        })
        .buffer_unordered(CONCURRENT)
        .try_fold((BTreeMap::new(), 0), |(mut created, mut existing), (kind, new)| async move {
            match new {
                true => *created.entry(kind).or_insert(0) += 1,
                false => existing += 1,
            }
            Ok((created, existing))
        });
    let (created, existing) = tokio::select! {
        outcome = creates => outcome?,
        () = progress => (BTreeMap::new(), 0),
    };
    Ok(Summary { created, existing, namespaces, took: started.elapsed() })
}

/// Creates one object; `false` when it exists.
async fn create(client: &Client, planned: &Planned) -> Result<bool, Error> {
    let tried = || format!("create a {} at {}", planned.kind, planned.path);
    let mut attempt = 0;
    loop {
        let request = http::Request::post(&planned.path)
            .header("content-type", "application/json")
            .body(planned.body.to_string().into_bytes())
            .map_err(|error| Error::Usage(format!("could not {}: {error}", tried())))?;
        match client.request_text(request).await {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                return Ok(false);
            }
            // Too many requests, or a namespace whose service account is on its way.
            Err(kube::Error::Api(status))
                if attempt < ATTEMPTS && matches!(status.code, 403 | 429 | 500..) =>
            {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(50 * u64::from(attempt))).await;
            }
            Err(error) => return Err(Error::api(tried())(error)),
        }
    }
}

fn namespaces(mix: &Mix) -> Vec<String> {
    let count = mix.objects.div_ceil(PER_NAMESPACE).max(1);
    (0..count).map(|n| format!("{}-{n}", mix.namespace_prefix)).collect()
}

/// The object with this index. Of twenty: eight ConfigMaps, four Secrets, two
/// ServiceAccounts, two Services, two Deployments, a Role and a RoleBinding.
fn planned(mix: &Mix, index: usize) -> Planned {
    let count = mix.objects.div_ceil(PER_NAMESPACE).max(1);
    let namespace = format!("{}-{}", mix.namespace_prefix, index % count);
    let (kind, group, resource, content) = match (index / count) % 20 {
        0..=7 => ("ConfigMap", "v1", "configmaps", config_map(index)),
        8..=11 => ("Secret", "v1", "secrets", secret(index)),
        12 | 13 => ("ServiceAccount", "v1", "serviceaccounts", json!({})),
        14 | 15 => ("Service", "v1", "services", service(index)),
        16 | 17 => ("Deployment", "apps/v1", "deployments", deployment(index)),
        18 => ("Role", "rbac.authorization.k8s.io/v1", "roles", role()),
        _ => ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings", role_binding(index)),
    };
    let root = match group {
        "v1" => "/api/v1".to_owned(),
        group => format!("/apis/{group}"),
    };
    let mut body = content;
    body["apiVersion"] = group.into();
    body["kind"] = kind.into();
    body["metadata"] = json!({
        "name": format!("{}-{index}", kind.to_lowercase()),
        "labels": {"app.kubernetes.io/part-of": "generated", "app.kubernetes.io/name": format!("app-{}", index % 50)},
    });
    Planned { kind, path: format!("{root}/namespaces/{namespace}/{resource}"), body }
}

/// 2 KiB of settings, with values that do not repeat.
fn config_map(index: usize) -> Value {
    let lines =
        (0..60).map(|line| format!("setting-{line:02} = {:016x}{:04x}\n", noise(index, line), line * 7));
    json!({"data": {"application.conf": lines.collect::<String>()}})
}

/// 1 KiB of bytes that do not compress.
fn secret(index: usize) -> Value {
    let bytes: Vec<u8> = (0..128).flat_map(|word| noise(index, word).to_le_bytes()).collect();
    json!({"type": "Opaque", "data": {"token": BASE64_STANDARD.encode(bytes)}})
}

/// Headless, because a full cluster has rules in its packet filter for every other Service.
fn service(index: usize) -> Value {
    json!({"spec": {
        "clusterIP": "None",
        "selector": {"app.kubernetes.io/name": format!("app-{}", index % 50)},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
    }})
}

fn deployment(index: usize) -> Value {
    let labels = json!({"app.kubernetes.io/name": format!("app-{}", index % 50)});
    json!({"spec": {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{
                "name": "main",
                "image": format!("registry.example/app-{}:{}", index % 50, index % 7),
                "env": [{"name": "INSTANCE", "value": index.to_string()}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            }]},
        },
    }})
}

fn role() -> Value {
    json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]})
}

fn role_binding(index: usize) -> Value {
    json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": format!("role-{index}")},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    })
}

/// A number that looks random and is the same every time (the finaliser of SplitMix64).
fn noise(index: usize, position: u64) -> u64 {
    let mut x =
        (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ position.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn mix(objects: usize) -> Mix {
        Mix { objects, namespace_prefix: "generated".to_owned() }
    }

    #[test]
    fn no_two_objects_collide() {
        let mix = mix(5000);

        let names: BTreeSet<_> = (0..5000)
            .map(|index| {
                let object = planned(&mix, index);
                (object.path, object.body["metadata"]["name"].to_string())
            })
            .collect();

        assert_eq!(names.len(), 5000);
    }

    #[test]
    fn every_namespace_gets_every_kind() {
        let mix = mix(2000);

        let kinds = |namespace: &str| {
            let of = (0..2000).map(|index| planned(&mix, index));
            of.filter(|object| object.path.contains(namespace))
                .map(|object| object.kind)
                .collect::<BTreeSet<_>>()
        };

        assert_eq!(kinds("/generated-0/").len(), 7);
        assert_eq!(kinds("/generated-1/").len(), 7);
    }

    #[test]
    fn sizes_are_what_the_benchmarks_say() {
        let (config_map, secret) = (config_map(7), secret(7));

        let config = config_map["data"]["application.conf"].as_str().unwrap();
        let token = BASE64_STANDARD.decode(secret["data"]["token"].as_str().unwrap());

        assert!((1700..2400).contains(&config.len()), "{}", config.len());
        assert_eq!(token.unwrap().len(), 1024);
    }
}
