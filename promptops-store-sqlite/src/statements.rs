//! The list that each file keeps of its statements.

/// Declares a file's statements, and in tests a list of all of them, so that none escapes the check of its plan.
macro_rules! statements {
    ($($name:ident = $sql:expr;)+) => {
        $(const $name: &str = $sql;)+
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $sql)),+];
    };
}
