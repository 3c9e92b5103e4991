//! The closed lists of states that identity rows may be in.

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident $text:literal),* $(,)? } default $default:ident)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($variant),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that files, events and queries use.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $text),* } }

            /// Any case; the empty text is the default. `None` for other words.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                if name.is_empty() {
                    return Some(Self::$default);
                }
                Self::ALL.iter().copied().find(|state| state.name().eq_ignore_ascii_case(name))
            }
        }

        impl Default for $name {
            fn default() -> Self { Self::$default }
        }
    )* };
}

states! {
    KeyStatus { Active "active", Disabled "disabled", Revoked "revoked" } default Active

    PrincipalKind { Human "human", Service "service", Federated "federated" } default Human

    PrincipalStatus {
        Active "active", Deactivated "deactivated", Suspended "suspended", Deleted "deleted", Pending "pending",
    } default Active

    TenantStatus { Active "active", Suspended "suspended", Archived "archived", Deleted "deleted" } default Active
}
