//! For authors of backends: why a [`Store`](super::Store) refuses a change, in the same words everywhere.

use semver::Version as Semver;

use crate::base::error::{Error, ErrorKind, invalid};
use crate::base::{ContentHash, EnvironmentName, PromptName, TenantId, VersionNumber};

/// [`NotFound`](ErrorKind::NotFound): the tenant itself has no such prompt.
#[must_use]
pub fn unknown_prompt(prompt: &PromptName) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the tenant has no prompt {prompt} of its own; save a version of it first"),
    )
}

/// [`NotFound`](ErrorKind::NotFound): the tenant itself has no such version.
#[must_use]
pub fn unknown_version(prompt: &PromptName, number: VersionNumber) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the tenant has no {prompt} {number} of its own; list its versions to see those there are"),
    )
}

/// [`NotFound`](ErrorKind::NotFound): the version is there, with another content than the one decided on.
#[must_use]
pub fn other_content(prompt: &PromptName, number: VersionNumber, expected: &ContentHash) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "{prompt} {number} does not have the content {expected}; pass the version as it was read from here"
        ),
    )
}

/// [`Invalid`](ErrorKind::Invalid): a version was to be made from one that does not exist.
#[must_use]
pub fn unknown_parent(prompt: &PromptName, parent: VersionNumber) -> Error {
    invalid(format!(
        "the parent {parent} does not exist; name versions of {prompt} or leave the parents out"
    ))
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): another version of the prompt has this semver.
#[must_use]
pub fn semver_taken(prompt: &PromptName, semver: &Semver, holder: VersionNumber) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("{prompt} {holder} has the semver {semver} already; choose another"),
    )
}

/// [`Conflict`](ErrorKind::Conflict): a live version was to be archived. Environments in byte order.
#[must_use]
pub fn version_is_live(
    prompt: &PromptName,
    number: VersionNumber,
    environments: &[EnvironmentName],
) -> Error {
    let environments: Vec<_> = environments.iter().map(EnvironmentName::as_str).collect();
    Error::new(
        ErrorKind::Conflict,
        format!(
            "{prompt} {number} cannot be archived while it is live in {}; move those environments to another \
             version first",
            environments.join(", ")
        ),
    )
}

/// [`Invalid`](ErrorKind::Invalid): the prompt has as many versions as there are numbers.
#[must_use]
pub fn numbers_used_up(prompt: &PromptName) -> Error {
    invalid(format!(
        "{prompt} has no version number left; go on with a prompt of another name"
    ))
}

/// [`Invalid`](ErrorKind::Invalid): a tenant was to inherit from itself.
#[must_use]
pub fn own_parent(tenant: &TenantId) -> Error {
    invalid(format!("{tenant} cannot be its own parent; name another tenant"))
}

/// [`Invalid`](ErrorKind::Invalid): a tenant was to inherit from one that inherits itself.
#[must_use]
pub fn parent_inherits(parent: &TenantId) -> Error {
    invalid(format!(
        "{parent} cannot be a parent, since it inherits from another tenant; inheritance has one level"
    ))
}

/// [`Invalid`](ErrorKind::Invalid): a tenant that others inherit from was to inherit.
#[must_use]
pub fn tenant_is_a_parent(tenant: &TenantId) -> Error {
    invalid(format!(
        "{tenant} cannot inherit, since other tenants inherit from it; inheritance has one level"
    ))
}
