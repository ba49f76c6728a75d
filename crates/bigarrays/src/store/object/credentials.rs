//! Where credentials for S3 come from. Google's and Azure's are found by `object_store`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::aws::AwsCredential;
use object_store::client::CredentialProvider;
use tokio::sync::Mutex;

/// Credentials are asked for anew so long before they expire.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// Credentials that do not say when they expire are asked for anew after this.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// Credentials from wherever AWS's own tools take them: the environment, profiles, single sign-on,
/// web identity, and the container's or the machine's metadata.
#[derive(Debug)]
pub(super) struct Chain {
    provider: SharedCredentialsProvider,
    /// The last ones, and when to ask again.
    kept: Mutex<Option<(Arc<AwsCredential>, SystemTime)>>,
}

impl Chain {
    /// The chain for a profile that the user chose, which then comes first, or the one of the environment.
    pub(super) async fn load(profile: Option<&str>, region: Option<&str>) -> Self {
        let region = region.map(|region| Region::new(region.to_owned()));
        let provider = match profile {
            Some(profile) => {
                let config = ProviderConfig::without_region().with_region(region);
                let chosen = ProfileFileCredentialsProvider::builder().profile_name(profile);
                SharedCredentialsProvider::new(chosen.configure(&config).build())
            }
            None => {
                let mut chain = DefaultCredentialsChain::builder();
                chain.set_region(region);
                SharedCredentialsProvider::new(chain.build().await)
            }
        };
        Self { provider, kept: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        let now = SystemTime::now();
        if let Some((credential, until)) = &*kept
            && now < *until
        {
            return Ok(Arc::clone(credential));
        }
        let found = self.provider.provide_credentials().await.map_err(|error| {
            object_store::Error::Unauthenticated { path: String::new(), source: Box::new(error) }
        })?;
        let until = found.expiry().map_or(now + KEPT, |expiry| {
            expiry - EARLY.min(expiry.duration_since(now).unwrap_or_default() / 2)
        });
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().trim().to_owned(),
            secret_key: found.secret_access_key().trim().to_owned(),
            token: found.session_token().map(|token| token.trim().to_owned()),
        });
        if !is_sendable(&credential) {
            let source = "the access key or session token has a character that no request may have".into();
            return Err(object_store::Error::Unauthenticated { path: String::new(), source });
        }
        *kept = Some((Arc::clone(&credential), until));
        Ok(credential)
    }
}

/// Whether the headers of requests can hold a credential.
pub(super) fn is_sendable(credential: &AwsCredential) -> bool {
    let AwsCredential { key_id, token, .. } = credential;
    [key_id, token.as_ref().unwrap_or(key_id)].iter().all(|text| http::HeaderValue::from_str(text).is_ok())
}

/// The region that the user's profile names.
pub(super) async fn profile_region(profile: Option<&str>) -> Option<String> {
    let mut provider = ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        provider = provider.profile_name(profile);
    }
    provider.build().region().await.map(|region| region.as_ref().to_owned())
}
