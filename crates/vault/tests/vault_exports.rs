//! Exported jobs: what the official client exports and downloads, and what no one else does.

mod official;
mod world;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use world::protected::{POINT, Protected};

/// A vault with jobs, and where an export of them is.
async fn exported() -> (Protected, Value) {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
    let begun = it.call(Method::POST, &format!("{}/exportBackupJobs", it.vault), None).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let status = it.operation(&begun).await.body;
    let result = it.world.get_url(&it.world.administrator, begun.header("location")).await.body;
    assert_eq!(status["properties"]["objectType"], "ExportJobsResult", "{status}");
    assert!(!status.to_string().contains(POINT), "how an operation stands does not hold all that it made");
    (it, result)
}

fn address(result: &Value, url: &str, key: &str) -> String {
    format!("{}?{}", result[url].as_str().unwrap(), result[key].as_str().unwrap())
}

#[tokio::test]
async fn the_official_python_client_exports_jobs_and_downloads_them() {
    let (it, _) = exported().await;
    let administrator = &it.world.administrator;

    let python = tokio::task::spawn_blocking({
        let mut command = official::direct(official::folder().join("python"));
        command.arg(official::folder().join("exports.py")).arg(&it.world.url).arg(&it.world.ca);
        command.args([&it.world.tenant, &administrator.client_id, &administrator.secret]);
        command.args([&it.world.subscription, "shop", "vault1"]);
        move || command.output().unwrap()
    });
    let told = python.await.unwrap();

    let both = official::both(&told);
    assert!(told.status.success() && both.contains("all of it worked"), "{both}");
}

#[tokio::test]
async fn a_signature_opens_its_file_for_an_hour_and_nothing_else() {
    let (it, result) = exported().await;
    let http = &it.world.http;
    let json = address(&result, "blobUrl", "blobSasKey");

    let whole = http.get(&json).send().await.unwrap();
    let kind = whole.headers()["content-type"].to_str().unwrap().to_owned();
    let whole = whole.bytes().await.unwrap();
    let part = http.get(&json).header("range", "bytes=1-4").send().await.unwrap();
    let range = part.headers()["content-range"].to_str().unwrap().to_owned();
    let part = (part.status().as_u16(), part.bytes().await.unwrap());
    let mut refused = Vec::new();
    for url in [
        result["blobUrl"].as_str().unwrap().to_owned(),
        address(&result, "blobUrl", "excelFileBlobSasKey"),
        json.replace("sp=r", "sp=w"),
        json.replace("/job-exports/", "/job-exports/x"),
    ] {
        refused.push((http.get(&url).send().await.unwrap().status().as_u16(), url));
    }
    let written = http.put(&json).body("x").send().await.unwrap().status().as_u16();
    it.world.clock.advance(SignedDuration::from_mins(59));
    let in_time = http.get(&json).send().await.unwrap().status().as_u16();
    it.world.clock.advance(SignedDuration::from_mins(2));
    let late = http.get(&json).send().await.unwrap().status().as_u16();

    let jobs: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!((jobs.as_array().unwrap().len(), kind.as_str()), (2, "application/json; charset=utf-8"));
    assert_eq!((part.0, &part.1[..]), (206, &whole[1..5]));
    assert_eq!(range, format!("bytes 1-4/{}", whole.len()));
    assert!(refused.iter().all(|(status, _)| *status == 403), "{refused:?}");
    assert!([401, 403, 404, 405].contains(&written), "{written}");
    assert_eq!((in_time, late), (200, 403));
}

#[tokio::test]
async fn an_export_is_not_given_out_anew_to_who_may_not_read_jobs_any_more() {
    let (it, _) = exported().await;
    let reader = it.world.person(Some("Backup Contributor"), &it.vault).await;
    let export = format!("{}/exportBackupJobs", it.vault);
    let begun = it.world.call(&reader, Method::POST, &export, None).await;
    let results = async || {
        let status = it.world.get_url(&reader, begun.header("azure-asyncoperation")).await;
        (status, it.world.get_url(&reader, begun.header("location")).await)
    };

    let before = results().await;
    for assigned in it.world.app.store.assignments_of(&reader.object_id).await.unwrap() {
        let path =
            format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", it.vault, assigned.name);
        assert_eq!(it.call(Method::DELETE, &path, None).await.status, 200);
    }
    let after = results().await;

    assert_eq!((before.0.status, before.1.status), (200, 200), "{before:?}");
    assert!(before.1.body.to_string().contains("blobSasKey"), "{before:?}");
    for refused in [&after.0, &after.1] {
        assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"), "{refused:?}");
        assert!(!refused.body.to_string().contains("SasKey"), "{refused:?}");
    }
}
