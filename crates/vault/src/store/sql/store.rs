//! The store over any SQL database.

use super::{Database, accounts, commit, grants, query, read, tunnels, work};
use crate::store::{
    AssignmentRecord, AuditEntry, AuditRow, Change, Claim, ClientSecret, FailedSignIns, Filling, Holding,
    OAuthGrant, OperationRecord, Principal, Sealed, SealedKey, Snapshot, Store, Stored, Stores, Subscription,
    Work,
};
use arm::{OperationStatus, ResourceId};
use async_trait::async_trait;
use identity::Assignment;
use jiff::Timestamp;
use std::collections::BTreeSet;

#[async_trait]
impl<D: Database> Store for D {
    async fn ready(&self) -> Stores<()> {
        self.fetch(query("SELECT 1 AS one")).await.map(drop)
    }

    async fn setting(&self, name: &str) -> Stores<Option<String>> {
        read::setting(self, name).await
    }

    async fn subscriptions(&self) -> Stores<Vec<Subscription>> {
        read::subscriptions(self).await
    }

    async fn registrations(&self, subscription: &ResourceId) -> Stores<BTreeSet<String>> {
        read::registrations(self, subscription).await
    }

    async fn resource(&self, id: &ResourceId) -> Stores<Option<Stored>> {
        read::resource(self, id).await
    }

    async fn resources(
        &self,
        kind: &str,
        under: &ResourceId,
        after: Option<&str>,
        most: u32,
    ) -> Stores<Vec<Stored>> {
        read::resources(self, kind, under, after, most).await
    }

    async fn count(&self, kind: &str, under: &ResourceId) -> Stores<usize> {
        read::count(self, kind, under).await
    }

    async fn resources_about(&self, kind: &str, about: &str) -> Stores<Vec<Stored>> {
        read::resources_about(self, kind, about).await
    }

    async fn assignment(&self, name: &str) -> Stores<Option<AssignmentRecord>> {
        accounts::assignment(self, name).await
    }

    async fn roles_of(&self, principal: &str) -> Stores<Vec<Assignment>> {
        accounts::roles_of(self, principal).await
    }

    async fn roles_at(&self, principal: &str, scope: &ResourceId) -> Stores<Vec<Assignment>> {
        accounts::roles_at(self, principal, scope).await
    }

    async fn assignments_of(&self, principal: &str) -> Stores<Vec<AssignmentRecord>> {
        accounts::assignments_of(self, principal).await
    }

    async fn assignments_in(&self, subscription: &ResourceId) -> Stores<Vec<AssignmentRecord>> {
        accounts::assignments_in(self, subscription).await
    }

    async fn principal(&self, object_id: &str) -> Stores<Option<Principal>> {
        accounts::principal(self, object_id).await
    }

    async fn principal_of_client(&self, client_id: &str) -> Stores<Option<Principal>> {
        accounts::principal_of_client(self, client_id).await
    }

    async fn client_secrets(&self, client_id: &str) -> Stores<Vec<ClientSecret>> {
        accounts::client_secrets(self, client_id).await
    }

    async fn failed_sign_ins(&self, client_id: &str) -> Stores<FailedSignIns> {
        accounts::failed_sign_ins(self, client_id).await
    }

    async fn note_sign_in(&self, client_id: &str, failed_at: Option<Timestamp>) -> Stores<()> {
        accounts::note_sign_in(self, client_id, failed_at).await
    }

    async fn oauth_grant(&self, id: &str) -> Stores<Option<OAuthGrant>> {
        grants::grant(self, id).await
    }

    async fn signing_keys(&self) -> Stores<Vec<SealedKey>> {
        accounts::signing_keys(self).await
    }

    async fn secret(&self, name: &str) -> Stores<Option<Vec<u8>>> {
        accounts::secret(self, name).await
    }

    async fn sealed(&self) -> Stores<Vec<Sealed>> {
        accounts::sealed(self).await
    }

    async fn operation(&self, id: &str) -> Stores<Option<OperationRecord>> {
        read::operation(self, id).await
    }

    async fn operations(&self, status: OperationStatus) -> Stores<Vec<OperationRecord>> {
        read::operations(self, status).await
    }

    async fn claim(&self, claim: &Claim) -> Stores<Vec<Work>> {
        work::claimed(&Database::claim(self, claim).await?)
    }

    async fn work(&self, id: &str) -> Stores<Option<Work>> {
        work::work(self, id).await
    }

    async fn hurry(&self, now: Timestamp) -> Stores<()> {
        work::hurry(self, now).await
    }

    async fn renew(&self, id: &str, owner: &str, until: Timestamp) -> Stores<bool> {
        work::renew(self, id, owner, until).await
    }

    async fn next_due(&self) -> Stores<Option<Timestamp>> {
        work::next_due(self).await
    }

    async fn tunnel(&self, connection: &str) -> Stores<Option<Holding>> {
        tunnels::one(self, connection).await
    }

    async fn take_tunnel(&self, holding: &Holding, before: Option<&str>) -> Stores<bool> {
        tunnels::take(self, holding, before).await
    }

    async fn keep_tunnels(&self, replica: &str, until: Timestamp) -> Stores<Vec<String>> {
        tunnels::keep(self, replica, until).await
    }

    async fn leave_tunnel(&self, session: &str) -> Stores<()> {
        tunnels::leave(self, session).await
    }

    async fn leave_tunnels(&self, replica: &str) -> Stores<()> {
        tunnels::leave_all(self, replica).await
    }

    async fn tunnels_elsewhere(&self, replica: &str, address: &str, now: Timestamp) -> Stores<Vec<String>> {
        tunnels::elsewhere(self, replica, address, now).await
    }

    async fn commit(&self, changes: &[Change], audit: &AuditEntry) -> Stores<()> {
        self.transact(commit::statements(changes)?, Some(audit)).await
    }

    async fn commit_unaudited(&self, changes: &[Change]) -> Stores<()> {
        self.transact(commit::statements(changes)?, None).await
    }

    async fn note(&self, audit: &AuditEntry) -> Stores<()> {
        self.transact(Vec::new(), Some(audit)).await
    }

    async fn audit(&self, after: i64, most: u32) -> Stores<Vec<AuditRow>> {
        read::audit(self, after, most).await
    }

    async fn snapshot(&self) -> Stores<Box<dyn Snapshot>> {
        Database::snapshot(self).await
    }

    async fn fill(&self) -> Stores<Box<dyn Filling>> {
        Database::fill(self).await
    }

    async fn close(&self) {
        Database::close(self).await;
    }
}
