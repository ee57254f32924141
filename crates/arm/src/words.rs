//! Words that fields take: enumerations whose wire names are those of their variants.

/// A type whose values are words on the wire.
pub trait Word: Copy + PartialEq + 'static {
    /// Each value with its word.
    const ALL: &'static [(Self, &'static str)];

    /// The value of a word in any case.
    fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, word)| word.eq_ignore_ascii_case(text)).map(|(value, _)| *value)
    }

    /// The word of this value.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }
}

/// Declares enumerations that are words on the wire. The first variant is the default.
#[macro_export]
macro_rules! words {
    ($($(#[$about:meta])* pub enum $name:ident { $(#[$about_first:meta])* $first:ident $(, $(#[$about_one:meta])* $one:ident)* $(,)? })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name {
            #[default]
            $(#[$about_first])*
            $first,
            $($(#[$about_one])* $one,)*
        }

        impl $crate::words::Word for $name {
            const ALL: &'static [(Self, &'static str)] =
                &[(Self::$first, stringify!($first)), $((Self::$one, stringify!($one))),*];
        }
    )*};
}
