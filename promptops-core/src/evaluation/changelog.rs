//! What evaluations say of each step in a changelog.

use std::collections::BTreeMap;

use super::comparison::ComparisonOptions;
use super::dataset::DatasetReference;
use super::run::{Run, RunFilter};
use super::service::Evaluations;
use crate::base::error::{ErrorKind, Result};
use crate::base::{PageRequest, VersionNumber};
use crate::prompt::Changelog;

impl Evaluations {
    /// Adds to each change of a changelog how its version compares with the one before, by their last complete runs on a
    /// dataset (`tickets/golden`, or `tickets/golden@v3`). A change of which there are no two runs that can be compared gets
    /// nothing.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a text that is no reference to a dataset; the backend's errors.
    pub async fn add_to_changelog(&self, changelog: &mut Changelog, dataset: &str) -> Result<()> {
        let reference: DatasetReference = dataset.parse()?;
        let Some(prompt) = changelog.prompt.clone() else {
            return Ok(());
        };
        let filter = RunFilter {
            prompt: Some(prompt),
            dataset: Some(reference.name.clone()),
            ..RunFilter::default()
        };
        let mut runs: BTreeMap<VersionNumber, Vec<Run>> = BTreeMap::new();
        let mut next = Some(PageRequest::first(PageRequest::MAX_LIMIT));
        while let Some(request) = next {
            let page = self.list(&filter, &request).await?;
            let wanted = page.items.into_iter().filter(|run| {
                run.state.is_completed()
                    && reference
                        .version
                        .is_none_or(|version| run.dataset_version == version)
            });
            wanted.for_each(|run| runs.entry(run.version).or_default().push(run));
            next = page.next.map(|cursor| request.after(cursor));
        }
        for entry in &mut changelog.entries {
            let Some(change) = &entry.change else { continue };
            let (Some(before), Some(after)) = (runs.get(&change.since), runs.get(&entry.number)) else {
                continue;
            };
            if let Some(words) = self.compare_last(before, after).await? {
                entry.evaluations.push(words);
            }
        }
        Ok(())
    }

    /// Compares the newest runs that can be compared; both lists begin with the newest.
    async fn compare_last(&self, before: &[Run], after: &[Run]) -> Result<Option<String>> {
        for candidate in after {
            for baseline in before {
                let options = ComparisonOptions::default();
                match self.compare(&baseline.id, &candidate.id, &options).await {
                    Ok(comparison) => {
                        return Ok(Some(format!(
                            "On {} {}: {}",
                            candidate.dataset,
                            candidate.dataset_version,
                            comparison.summary()
                        )));
                    }
                    // Of other versions of the dataset, or scored otherwise.
                    Err(error) if error.kind() == ErrorKind::Invalid => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }
}
