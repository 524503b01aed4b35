//! What came back, and where two answers differ.

use std::collections::BTreeMap;

use super::call::Call;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case; several values of one name are joined by a comma.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// Of the connection and not of the answer.
const OF_THE_WAY: [&str; 3] = ["date", "connection", "transfer-encoding"];

impl Answer {
    pub fn new(status: u16, headers: impl IntoIterator<Item = (String, String)>, body: Vec<u8>) -> Self {
        let mut joined = BTreeMap::<String, String>::new();
        for (name, value) in headers {
            joined
                .entry(name.to_ascii_lowercase())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert(value);
        }
        Self { status, headers: joined, body }
    }

    /// What both ways must agree on.
    fn comparable(mut self, call: &Call) -> Self {
        self.headers.retain(|name, _| !OF_THE_WAY.contains(&name.as_str()));
        // One that was made for this request alone: that there is one is all that can be compared.
        self.headers.entry("x-request-id".to_owned()).and_modify(|id| {
            if call.given("x-request-id") != Some(id) {
                "made".clone_into(id);
            }
        });
        if call.counts {
            self.headers.remove("content-length");
            self.body = without_numbers(&self.body);
        }
        self
    }
}

/// Says how the answer by Lambda differs from the one over TCP, if it does.
pub fn difference(call: &Call, tcp: &Answer, lambda: &Answer) -> Option<String> {
    let (tcp, lambda) = (tcp.clone().comparable(call), lambda.clone().comparable(call));
    if tcp == lambda {
        return None;
    }
    let mut lines = vec![call.name.clone()];
    for (home, answer) in [("TCP   ", &tcp), ("Lambda", &lambda)] {
        lines.push(format!("    {home} {} {:?}", answer.status, answer.headers));
        if tcp.body != lambda.body {
            lines.push(format!("           {}", shown(&answer.body)));
        }
    }
    Some(lines.join("\n"))
}

fn shown(body: &[u8]) -> String {
    format!("{} bytes {:?}", body.len(), String::from_utf8_lossy(&body[..body.len().min(300)]))
}

/// Every number becomes `#`, and every name of a home `HOME`: times and counts differ from one process to the next.
fn without_numbers(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body)
        .replace("home=\"lambda\"", "home=\"HOME\"")
        .replace("home=\"local\"", "home=\"HOME\"");
    let mut normal = String::with_capacity(text.len());
    let mut in_number = false;
    for c in text.chars() {
        let goes_on = in_number && matches!(c, '0'..='9' | '.' | 'e' | '-' | '+');
        if c.is_ascii_digit() && !in_number {
            normal.push('#');
        }
        in_number = c.is_ascii_digit() || goes_on;
        if !in_number {
            normal.push(c);
        }
    }
    normal.into_bytes()
}
