//! A request as a function URL sends it, and the answer as a function URL reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::answer::Answer;
use super::call::Call;

/// Whether the body travels as text or as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Base64,
}

/// The forms in which a body can be sent: AWS chooses by Content-Type and Content-Encoding; a body that is UTF-8 must
/// give the same answer in both.
pub fn forms(call: &Call) -> Vec<Form> {
    match std::str::from_utf8(&call.body) {
        Ok("") => vec![Form::Text],
        Ok(_) => vec![Form::Text, Form::Base64],
        Err(_) => vec![Form::Base64],
    }
}

/// The form that AWS chooses, as far as it can be sent: text of a textual type that is not compressed, else base64.
pub fn usual_form(call: &Call) -> Form {
    let content_type = call.given("content-type").unwrap_or_default();
    let is_text = content_type.starts_with("text/") || content_type.starts_with("application/json");
    let is_plain = call.given("content-encoding").is_none() && std::str::from_utf8(&call.body).is_ok();
    if is_text && is_plain { Form::Text } else { Form::Base64 }
}

/// The event of payload format 2.0.
pub fn event(call: &Call, form: Form) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../events/function-url.json")).unwrap();
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    event["rawPath"] = path.into();
    event["rawQueryString"] = query.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = call.method.into();
    let headers = event["headers"].as_object_mut().unwrap();
    for (name, value) in &call.headers {
        headers
            .entry(*name)
            .and_modify(|all| *all = format!("{},{value}", all.as_str().unwrap()).into())
            .or_insert_with(|| value.as_str().into());
    }
    if let Some(length) = super::tcp::content_length(call) {
        headers.insert("content-length".to_owned(), length.into());
    }
    if !call.body.is_empty() {
        event["body"] = match form {
            Form::Text => std::str::from_utf8(&call.body).unwrap().into(),
            Form::Base64 => STANDARD.encode(&call.body).into(),
        };
        event["isBase64Encoded"] = (form == Form::Base64).into();
    }
    event
}

/// What a client of the function URL would see of a payload.
pub fn answer(payload: &[u8]) -> Result<Answer, String> {
    let refused = || format!("no answer but {}", String::from_utf8_lossy(payload));
    let payload: Value = serde_json::from_slice(payload).map_err(|_| refused())?;
    let status =
        payload["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).ok_or_else(refused)?;
    let headers = payload["headers"].as_object().ok_or_else(refused)?;
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let body = payload["body"].as_str().unwrap_or_default();
    let body = if payload["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.into() };
    Ok(Answer::new(status, headers, body))
}
