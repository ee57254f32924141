//! The device code flow (RFC 8628): a client shows a code, a person enters it in a browser anywhere and signs in, and
//! the client, which asks again and again, gets its tokens.

use super::{
    grants::{Found, Granted, Kind, Progress, find, id_of, made, normal, secret, user_code},
    html::{self, REFUSED},
    issue::{Signed, issue},
    scopes::{Scopes, client},
};
use crate::{
    accounts::SignIn,
    app::App,
    reply::Reply,
    signin::{
        SignInError,
        form::Form,
        token::{Asked, GrantError, note_denied, refusal, sign_in_entry},
    },
    store::{AuditOutcome, Change, Grants, Principal, StoreError},
    tokens::Flavour,
};
use arm::ArmError;
use http::{HeaderMap, header};
use serde_json::json;
use uuid::Uuid;

const LIVES_SECONDS: i64 = 15 * 60;
const INTERVAL_SECONDS: i64 = 5;
const TITLE: &str = "Sign in on another device";

/// Makes a code.
pub async fn device_code(app: &App, form: &[u8], asked: Asked<'_>) -> Result<Reply, GrantError> {
    let read = || -> Result<(String, Scopes), SignInError> {
        let form = Form::read(form)?;
        let id = form.need("client_id")?;
        client(id, app.issuer.tenant())?;
        let scopes = Scopes::read(form.get("scope"), form.get("resource"), asked.flavour, &app.public)?;
        Ok((id.to_owned(), scopes))
    };
    let (client, scopes) = match read() {
        Ok(read) => read,
        Err(error) => return Ok(refusal(app, &error, asked.correlation)),
    };
    if !app.accounts.may_try(asked.source) {
        let message = "Too many codes were asked for from this address. Try again in a minute.";
        let error = ArmError::new(429, "TooManyRequests", message);
        return Ok(Reply::error(&error).with(header::RETRY_AFTER, "60"));
    }
    let (device, code) = (secret(), user_code());
    let device_id = id_of(Kind::Device, &device);
    let waiting = Granted::Device {
        client,
        scopes,
        progress: Progress::Waiting,
        interval: INTERVAL_SECONDS,
        polled_at: None,
    };
    let (family, lives) = (Uuid::new_v4().to_string(), (app.clock.now(), LIVES_SECONDS));
    let user = Granted::User { device: device_id.clone() };
    let changes = [
        made(device_id, &family, None, &waiting, lives)?,
        made(id_of(Kind::User, &code), &family, None, &user, lives)?,
    ];
    app.store.commit_unaudited(&changes).await?;
    let code = format!("{}-{}", code.get(..4).unwrap_or_default(), code.get(4..).unwrap_or_default());
    let page = app.public.at("/devicelogin");
    let message = format!(
        "To sign in, use a web browser to open the page {page} and enter the code {code} to authenticate."
    );
    let uri = if asked.flavour == Flavour::V1 { "verification_url" } else { "verification_uri" };
    let body = json!({
        "device_code": device.as_str(),
        "user_code": code,
        uri: page,
        "expires_in": LIVES_SECONDS,
        "interval": INTERVAL_SECONDS,
        "message": message,
    });
    Ok(Reply::json(200, body).with(header::CACHE_CONTROL, "no-store"))
}

/// The page on which a person enters a code.
pub fn show_device_login(headers: &HeaderMap) -> Reply {
    shown(200, headers, "", "", None)
}

fn shown(status: u16, headers: &HeaderMap, code: &str, name: &str, why: Option<&str>) -> Reply {
    let mark = html::mark(headers);
    let body = format!(
        "{}<p>Go on only if you yourself asked for this code, on a device that you trust. Whoever has the code gets your \
         rights.</p><form method=\"post\" action=\"/devicelogin\">{}<label for=\"code\">Code</label>\
         <input id=\"code\" name=\"code\" value=\"{}\" autocomplete=\"off\" maxlength=\"20\" required>{}\
         <button name=\"do\" value=\"allow\">Sign in</button><button name=\"do\" value=\"decline\">Decline</button></form>",
        html::wrong(why),
        html::hidden("mark", &mark),
        html::escaped(code),
        html::credentials(name),
    );
    html::marked(html::page(status, TITLE, &body, ""), &mark)
}

/// A person enters a code and signs in.
pub async fn device_login(
    app: &App,
    form: &[u8],
    headers: &HeaderMap,
    asked: Asked<'_>,
) -> Result<Reply, GrantError> {
    let Ok(form) = Form::read(form) else { return Ok(html::message(400, TITLE, "The form cannot be read.")) };
    let text = |name| form.get(name).unwrap_or_default();
    let (code, name) = (text("code"), text("name"));
    let again = |why| Ok(shown(400, headers, code, name, Some(why)));
    if !html::is_own(app, headers, form.get("mark")) {
        return again(
            "This page was open for too long, or another page sent the form. Enter everything again.",
        );
    }
    let principal = match app.accounts.sign_in_person(name, text("password"), asked.source).await? {
        SignIn::Accepted(principal) => principal,
        refused => {
            html::log_refused(name, asked.source, asked.correlation);
            if let SignIn::Wrong(principal) = refused {
                note_denied(app, &principal, asked.correlation).await?;
            }
            return again(REFUSED);
        }
    };
    let Some((user, device)) = waiting(app, code).await? else {
        return again(
            "There is no such code, or it ended. Compare it with what the device shows, or ask for a new one.",
        );
    };
    let declined = form.get("do") == Some("decline");
    let progress = if declined { Progress::Declined } else { Progress::Approved };
    let Some(change) = with(&device, progress, &principal)? else {
        return again("The code was used already.");
    };
    // The code that was typed serves once: writing it is what a second person at the same moment collides with.
    let changes = [change, user.becomes(&user.granted, Some(&principal.object_id))?];
    let entry = sign_in_entry(app, &principal, AuditOutcome::Changed, asked.correlation);
    match app.store.commit(&changes, &entry).await {
        Ok(()) if declined => {
            Ok(html::message(200, "Declined", "The device was told. You can close this page."))
        }
        Ok(()) => {
            Ok(html::message(200, "Signed in", "The device goes on by itself. You can close this page."))
        }
        Err(StoreError::Conflict(_)) => again("The code was used at this moment. Ask for a new one."),
        Err(error) => Err(error.into()),
    }
}

/// A code that waits for a person, and its device code.
async fn waiting(app: &App, code: &str) -> Result<Option<(Found, Found)>, StoreError> {
    let (store, now) = (app.store.as_ref(), app.clock.now());
    let Some(user) = find(store, &id_of(Kind::User, &normal(code)), now).await? else { return Ok(None) };
    let Granted::User { device } = &user.granted else { return Ok(None) };
    let Some(device) = find(store, device, now).await? else { return Ok(None) };
    let waits = matches!(device.granted, Granted::Device { progress: Progress::Waiting, .. });
    Ok(waits.then_some((user, device)))
}

fn with(device: &Found, to: Progress, principal: &Principal) -> Result<Option<Change>, StoreError> {
    let mut granted = device.granted.clone();
    match &mut granted {
        Granted::Device { progress, .. } => *progress = to,
        _ => return Ok(None),
    }
    device.becomes(&granted, Some(&principal.object_id)).map(Some)
}

/// The client asks whether the person is done.
pub async fn poll_device(
    app: &App,
    form: &Form,
    asked: Asked<'_>,
) -> Result<Result<Reply, SignInError>, GrantError> {
    // The older endpoint calls it `code`.
    let given =
        form.get("device_code").or_else(|| form.get("code")).ok_or(SignInError::Missing("device_code"));
    let (code, id) = match given.and_then(|code| Ok((code, form.need("client_id")?))) {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let (store, now) = (app.store.as_ref(), app.clock.now());
    let Some(found) = find(store, &id_of(Kind::Device, code), now).await? else {
        return Ok(Err(SignInError::Ended));
    };
    let Granted::Device { client, scopes, progress, interval, polled_at } = found.granted.clone() else {
        return Ok(Err(SignInError::Ended));
    };
    if !client.eq_ignore_ascii_case(id) {
        return Ok(Err(SignInError::Grant("it was made for another client")));
    }
    let too_soon = polled_at.is_some_and(|at| now.duration_since(at).as_secs() < interval);
    let (changed, answer) = match progress {
        Progress::Declined => {
            store
                .commit_unaudited(&[Change::RemoveGrants(Grants::Family(found.record.family.clone()))])
                .await?;
            return Ok(Err(SignInError::Declined));
        }
        Progress::Redeemed => return Ok(Err(SignInError::Grant("it was used already"))),
        Progress::Waiting if too_soon => (interval.saturating_add(INTERVAL_SECONDS), SignInError::SlowDown),
        Progress::Waiting => (interval, SignInError::Pending),
        Progress::Approved => {
            let principal = match &found.record.principal {
                Some(id) => store.principal(id).await?,
                None => None,
            };
            let Some(principal) = principal else { return Ok(Err(SignInError::Ended)) };
            let Some(change) = with(&found, Progress::Redeemed, &principal)? else {
                return Ok(Err(SignInError::Ended));
            };
            let signed = Signed {
                principal: &principal,
                client: &client,
                scopes: &scopes,
                nonce: None,
                family: &found.record.family,
                signed_in_at: now,
            };
            return issue(app, &signed, vec![change], true, asked).await;
        }
    };
    let polled = Granted::Device { client, scopes, progress, interval: changed, polled_at: Some(now) };
    match store.commit_unaudited(&[found.becomes(&polled, None)?]).await {
        // Someone signed in at this moment; the next poll sees it.
        Ok(()) | Err(StoreError::Conflict(_)) => Ok(Err(answer)),
        Err(error) => Err(error.into()),
    }
}
