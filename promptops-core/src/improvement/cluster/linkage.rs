//! Groups by average linkage, cut at one distance.

use kodama::Method;

/// The groups of n things, by the distances between them: of 0 and 1, 0 and 2, …, 1 and 2, ….
///
/// Average linkage (Sokal and Michener 1958): the two groups with the smallest mean distance between their members become
/// one, again and again, while it is at most `cut`. Members rise within a group, groups by their first member.
pub(super) fn groups(n: usize, distances: &mut [f64], cut: f64) -> Vec<Vec<usize>> {
    let mut leader: Vec<usize> = (0..n).collect();
    // `kodama` panics at a matrix of another size.
    if n >= 2 && distances.len() == n * (n - 1) / 2 {
        let dendrogram = kodama::linkage(distances, n, Method::Average);
        // Steps come by rising distance, and one that is near enough joins two that were: the mean of a larger group is
        // never nearer than what it was made of.
        let mut first_of: Vec<usize> = (0..n).collect();
        for step in dendrogram.steps() {
            let (a, b) = (first_of[step.cluster1], first_of[step.cluster2]);
            let first = a.min(b);
            first_of.push(first);
            if step.dissimilarity <= cut {
                leader[a.max(b)] = first;
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); n];
    for at in 0..n {
        // What leads a thing comes before it, so its own leader is known.
        leader[at] = leader[leader[at]];
        groups[leader[at]].push(at);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[f64], cut: f64) -> Vec<Vec<usize>> {
        let mut distances = Vec::new();
        for (at, a) in points.iter().enumerate() {
            distances.extend(points[at + 1..].iter().map(|b| (a - b).abs()));
        }
        groups(points.len(), &mut distances, cut)
    }

    #[test]
    fn near_things_are_together_by_the_mean_of_their_distances() {
        assert_eq!(of(&[], 1.0), Vec::<Vec<usize>>::new());
        assert_eq!(of(&[5.0], 1.0), [[0]]);
        assert_eq!(of(&[0.0, 9.0, 1.0, 10.0], 1.0), [[0, 2], [1, 3]]);
        assert_eq!(of(&[0.0, 9.0, 1.0, 10.0], 0.9), [[0], [1], [2], [3]]);
        // 2 is 2 and 1 away from the others: 1.5 on average. The cut itself belongs to it.
        assert_eq!(of(&[0.0, 1.0, 2.0], 1.4), [vec![0, 1], vec![2]]);
        assert_eq!(of(&[0.0, 1.0, 2.0], 1.5), [[0, 1, 2]]);
        assert_eq!(of(&[3.0, 3.0, 3.0], 0.0), [[0, 1, 2]]);
        assert_eq!(of(&[9.0, 0.0, 9.5, 0.5, 9.25], 1.0), [vec![0, 2, 4], vec![1, 3]]);
    }
}
