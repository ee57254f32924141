//! Where somebody writes: in which store, and where in it. Two buckets of one name in two stores are two places.

/// A place in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenPlace {
    /// `<bucket>/<prefix>`.
    pub path: String,
    /// The store, as far as it is named.
    pub store: Option<StoreName>,
}

impl From<&str> for WrittenPlace {
    /// A place in a store that nobody named.
    fn from(path: &str) -> Self {
        Self { path: path.to_owned(), store: None }
    }
}

/// How a store is named by those who write to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreName {
    /// An Azure storage account.
    Azure(String),
    /// The address of an S3 store; none is AWS itself.
    S3(Option<String>),
    /// A kind that is not compared any closer.
    Other(String),
}

/// Whether two names are those of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sameness {
    /// They are, or nobody named one of them.
    Same,
    /// They may be: one store can have several addresses.
    Maybe,
    /// They are not.
    Different,
}

impl StoreName {
    /// The account of this name; a resource id ends with it.
    pub fn azure(account: &str) -> Self {
        Self::Azure(account.rsplit('/').next().unwrap_or(account).to_lowercase())
    }

    /// The store behind this URL; without one, AWS itself.
    pub fn s3(url: Option<&str>) -> Self {
        let authority = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.split(['/', '?']).next().unwrap_or(rest).to_lowercase()
        };
        let host = url.map(authority).filter(|host| !host.is_empty());
        Self::S3(host.filter(|host| !host.ends_with(".amazonaws.com")))
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Azure(account) => format!("the storage account {account}"),
            Self::S3(Some(host)) => host.clone(),
            Self::S3(None) => "Amazon S3".to_owned(),
            Self::Other(kind) => format!("a store of {kind}"),
        }
    }
}

/// Compares two names. In doubt they are the same: a place that is written to by two is worse than a false alarm.
pub(crate) fn sameness(one: Option<&StoreName>, other: Option<&StoreName>) -> Sameness {
    let (Some(one), Some(other)) = (one, other) else { return Sameness::Same };
    match (one, other) {
        _ if one == other => Sameness::Same,
        (StoreName::S3(_) | StoreName::Other(_), StoreName::S3(_) | StoreName::Other(_)) => Sameness::Maybe,
        _ => Sameness::Different,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_apart_and_addresses_may_lead_to_one_store() {
        let azure = |name: &str| Some(StoreName::azure(name));
        let s3 = |url: Option<&str>| Some(StoreName::s3(url));
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/Shop";
        let cases = [
            (azure("shop"), azure(id), Sameness::Same),
            (azure("shop"), azure("office"), Sameness::Different),
            (azure("shop"), s3(None), Sameness::Different),
            (azure("shop"), None, Sameness::Same),
            (None, s3(None), Sameness::Same),
            (s3(None), s3(Some("https://s3.eu-central-1.amazonaws.com")), Sameness::Same),
            (s3(Some("http://minio:9000")), s3(Some("https://MINIO:9000/x")), Sameness::Same),
            (s3(Some("http://minio:9000")), s3(Some("http://10.0.0.1:9000")), Sameness::Maybe),
            (s3(None), Some(StoreName::Other("gcp".into())), Sameness::Maybe),
        ];

        for (one, other, wanted) in cases {
            assert_eq!(sameness(one.as_ref(), other.as_ref()), wanted, "{one:?} and {other:?}");
            assert_eq!(sameness(other.as_ref(), one.as_ref()), wanted, "{other:?} and {one:?}");
        }
    }
}
