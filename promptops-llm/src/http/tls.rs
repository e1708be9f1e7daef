//! TLS by rustls with ring, trusting what the machine trusts.

use std::sync::Arc;

use promptops_core::{Error, ErrorKind};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// The machine's own roots, so that a company's certificate authority needs no setting here. An address without TLS
/// needs none, and works where none are installed.
pub(super) fn config(needed: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |e: rustls::Error| {
        Error::new(
            ErrorKind::Backend,
            "TLS cannot be set up; install the machine's root certificates (package ca-certificates)",
        )
        .caused_by(e)
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = if needed {
        builder.with_platform_verifier().map_err(failed)?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}
