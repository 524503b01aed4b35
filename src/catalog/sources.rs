//! Where packages come from: references, and what gets them.

use std::sync::{Mutex, PoisonError};

use crate::store::{Listing, Reference, Store};

/// All references, in the order in which they are looked at.
pub(super) struct Sources {
    store: Store,
    sources: Vec<Source>,
}

struct Source {
    reference: Reference,
    /// The name that is given beside it, if one is.
    given: Option<String>,
    /// The name that its package gave itself when it was last pulled.
    told: Mutex<Option<String>>,
}

impl Sources {
    pub(super) fn new(store: Store, references: Vec<(Reference, Option<String>)>) -> Self {
        let sources = references.into_iter().map(|(reference, given)| Source {
            reference,
            given,
            told: Mutex::default(),
        });
        Self { store, sources: sources.collect() }
    }

    /// What the references hold now that may hold the model `only`, or all of them; and what is wrong with those that hold
    /// nothing.
    pub(super) fn list(&self, only: Option<&str>) -> (Vec<Listing>, Vec<String>) {
        let (mut listings, mut reasons) = (Vec::new(), Vec::new());
        let asked: Vec<_> = self
            .sources
            .iter()
            .filter(|source| {
                only.is_none_or(|name| {
                    may_hold(&source.reference, source.given.as_deref(), source.told().as_deref(), name)
                })
            })
            .collect();
        let references: Vec<_> =
            asked.iter().map(|source| (source.reference.clone(), source.given.clone())).collect();
        for (source, found) in asked.into_iter().zip(self.store.resolve_all(&references)) {
            let reference = &source.reference;
            match found {
                Ok(found) if source.given.is_none() && matches!(reference, Reference::Oci(_)) => {
                    for listing in found {
                        match listing.broken() {
                            // Its name is not known now, but it was.
                            Some(error) if source.told().is_some() => reasons.push(error.to_string()),
                            Some(_) => listings.push(listing),
                            None => {
                                source.tell(listing.name());
                                listings.push(listing);
                            }
                        }
                    }
                }
                Ok(found) => listings.extend(found),
                Err(error) => {
                    tracing::error!(%reference, reason = %error, "reference refused");
                    reasons.push(error.to_string());
                }
            }
        }
        (listings, reasons)
    }
}

impl Source {
    fn told(&self) -> Option<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, name: &str) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }
}

/// Whether it is worth looking for a model at a reference: not where it has another name, given to it or `told` by its package.
fn may_hold(reference: &Reference, given: Option<&str>, told: Option<&str>, name: &str) -> bool {
    match reference {
        Reference::Oci(_) => given.or(told).is_none_or(|its| its == name),
        Reference::Dir(_) | Reference::Embedded(_) => given.is_none_or(|its| its == name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_not_looked_for_where_another_is() {
        let registry = Reference::parse("oci://127.0.0.1:5000/models/iris:1").unwrap();
        let folder = Reference::parse("dir:/mnt/models").unwrap();
        let cases = [
            (&registry, Some("iris"), None, true),
            (&registry, Some("other"), None, false),
            (&registry, Some("other"), Some("iris"), false),
            (&registry, None, Some("iris"), true),
            (&registry, None, Some("other"), false),
            (&registry, None, None, true),
            (&folder, Some("other"), None, false),
            (&folder, None, None, true),
        ];
        for (reference, given, told, held) in cases {
            assert_eq!(may_hold(reference, given, told, "iris"), held, "{reference} {given:?} {told:?}");
        }
    }
}
