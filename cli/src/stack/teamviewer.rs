//! Connections, service cases, mail templates and what is set for TeamViewer.

use domain::teamviewer::Settings;
use domain::{CaseCode, MailTemplate, ServiceCase, TemplateName};
use management::{
    AppliedMailTemplate, AppliedTeamViewerSettings, AssignCase, ConnectionFilter, ConnectionPage,
    ConnectionTotals, HistoryStatus, Listing, MadeCase, MailPreview, NewCase, OpenCases, Person,
    RefreshConnections, RefreshedTask, ServiceNowTask, ShareCase, SharedCase, SignIn, SignedIn,
    SupporterLink, TaskConnectionFilter, TaskConnections, TaskFilter, TeamViewerSettingsDetail,
    TotalsFilter,
};
use serde_json::json;
use startup::now;
use vendor_http::Method;

use super::Stack;
use crate::error::Error;

/// Whoever works with AWS credentials: all of them are one, since names on machines prove nothing.
fn person() -> Person {
    Person {
        key: "command line".to_owned(),
        name: startup::variable("USER").unwrap_or_else(|| "somebody".to_owned()),
    }
}

impl Stack {
    /// Newest first, some at a time.
    pub(crate) async fn connections(
        &self,
        filter: &ConnectionFilter,
    ) -> Result<ConnectionPage, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.teamviewer.connections(filter, now()).await?)
            }
            Self::Api(api) => api.get_with(&["connections"], filter).await,
        }
    }

    /// Newest first, some at a time. Needs fewer rights than [`Stack::connections`].
    pub(crate) async fn task_connections(
        &self,
        task: &ServiceNowTask,
        filter: &TaskConnectionFilter,
    ) -> Result<TaskConnections, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .task_connections(task, filter, now())
                .await?),
            Self::Api(api) => {
                let task = task.to_string();
                api.get_with(&["tasks", &task, "connections"], filter).await
            }
        }
    }

    pub(crate) async fn connection_totals(
        &self,
        filter: &TotalsFilter,
    ) -> Result<ConnectionTotals, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .connection_totals(filter, now())
                .await?),
            Self::Api(api) => api.get_with(&["connections", "totals"], filter).await,
        }
    }

    pub(crate) async fn history_status(&self) -> Result<HistoryStatus, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.teamviewer.history_status(now()).await?),
            Self::Api(api) => api.get(&["connections", "status"]).await,
        }
    }

    pub(crate) async fn refresh_connections(
        &self,
        request: &RefreshConnections,
    ) -> Result<HistoryStatus, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .refresh_connections(request, now())
                .await?),
            Self::Api(api) => {
                let path = ["connections", "refresh"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    pub(crate) async fn refresh_task_connections(
        &self,
        task: &ServiceNowTask,
        filter: &TaskFilter,
    ) -> Result<RefreshedTask, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .refresh_task_connections(task, filter, now())
                .await?),
            Self::Api(api) => {
                let task = task.to_string();
                let path = ["tasks", &task, "connections", "refresh"];
                api.post_with(&path, filter).await
            }
        }
    }

    pub(crate) async fn open_cases(&self) -> Result<OpenCases, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.teamviewer.open_cases(now()).await?),
            Self::Api(api) => api.get(&["cases"]).await,
        }
    }

    /// Newest first, closed ones too.
    pub(crate) async fn task_cases(
        &self,
        task: &ServiceNowTask,
        filter: &TaskFilter,
    ) -> Result<Listing<ServiceCase>, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.teamviewer.task_cases(task, filter).await?)
            }
            Self::Api(api) => {
                let task = task.to_string();
                api.get_with(&["tasks", &task, "cases"], filter).await
            }
        }
    }

    pub(crate) async fn create_case(&self, request: &NewCase) -> Result<MadeCase, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .create_case(&person(), request, now())
                .await?),
            Self::Api(api) => api.send_json(Method::POST, &["cases"], request).await,
        }
    }

    pub(crate) async fn case(&self, code: &CaseCode) -> Result<ServiceCase, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.teamviewer.case(code, &person(), now()).await?)
            }
            Self::Api(api) => api.get(&["cases", code.key()]).await,
        }
    }

    pub(crate) async fn close_case(&self, code: &CaseCode) -> Result<ServiceCase, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .close_case(code, &person(), now())
                .await?),
            Self::Api(api) => api.post(&["cases", code.key(), "close"]).await,
        }
    }

    pub(crate) async fn assign_case(
        &self,
        code: &CaseCode,
        request: &AssignCase,
    ) -> Result<ServiceCase, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .assign_case(code, request, &person(), now())
                .await?),
            Self::Api(api) => {
                let path = ["cases", code.key(), "assign"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    pub(crate) async fn share_case(
        &self,
        code: &CaseCode,
        request: &ShareCase,
    ) -> Result<SharedCase, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .share_case(code, request, &person(), now())
                .await?),
            Self::Api(api) => {
                let path = ["cases", code.key(), "share"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    pub(crate) async fn preview_share(
        &self,
        code: &CaseCode,
        request: &ShareCase,
    ) -> Result<MailPreview, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .preview_share(code, request, &person(), now())
                .await?),
            Self::Api(api) => {
                let path = ["cases", code.key(), "share", "preview"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    pub(crate) async fn supporter_link(&self, code: &CaseCode) -> Result<SupporterLink, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .supporter_link(code, &person(), now())
                .await?),
            Self::Api(api) => api.get(&["cases", code.key(), "supporter-link"]).await,
        }
    }

    pub(crate) async fn mail_templates(&self) -> Result<Listing<MailTemplate>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.teamviewer.mail_templates().await?),
            Self::Api(api) => api.get(&["mail-templates"]).await,
        }
    }

    pub(crate) async fn mail_template(&self, name: &TemplateName) -> Result<MailTemplate, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.teamviewer.mail_template(name).await?),
            Self::Api(api) => api.get(&["mail-templates", name.as_str()]).await,
        }
    }

    pub(crate) async fn put_mail_template(
        &self,
        template: &MailTemplate,
    ) -> Result<AppliedMailTemplate, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.teamviewer.put_mail_template(template).await?)
            }
            Self::Api(api) => {
                let path = ["mail-templates", template.name.as_str()];
                api.send_json(Method::PUT, &path, template).await
            }
        }
    }

    pub(crate) async fn delete_mail_template(&self, name: &TemplateName) -> Result<(), Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.teamviewer.delete_mail_template(name).await?)
            }
            Self::Api(api) => {
                let path = ["mail-templates", name.as_str()];
                api.delete(&path, &json!({})).await
            }
        }
    }

    pub(crate) async fn teamviewer_settings(&self) -> Result<TeamViewerSettingsDetail, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.teamviewer.teamviewer_settings().await?),
            Self::Api(api) => api.get(&["teamviewer", "settings"]).await,
        }
    }

    pub(crate) async fn put_teamviewer_settings(
        &self,
        settings: &Settings,
    ) -> Result<AppliedTeamViewerSettings, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .teamviewer
                .put_teamviewer_settings(settings, &person().name, now())
                .await?),
            Self::Api(api) => {
                let path = ["teamviewer", "settings"];
                api.send_json(Method::PUT, &path, settings).await
            }
        }
    }

    pub(crate) async fn signed_in(&self) -> Result<SignedIn, Error> {
        match self {
            Self::Aws { .. } => Err(Error::NobodyToSignIn),
            Self::Api(api) => api.get(&["teamviewer", "sign-in"]).await,
        }
    }

    pub(crate) async fn sign_out(&self) -> Result<(), Error> {
        match self {
            Self::Aws { .. } => Err(Error::NobodyToSignIn),
            Self::Api(api) => api.delete(&["teamviewer", "sign-in"], &()).await,
        }
    }

    pub(crate) async fn sign_in(&self) -> Result<SignIn, Error> {
        match self {
            Self::Aws { .. } => Err(Error::NobodyToSignIn),
            Self::Api(api) => api.post(&["teamviewer", "sign-in"]).await,
        }
    }
}
