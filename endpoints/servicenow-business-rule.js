// A business rule of ServiceNow that tells of each record that was created or updated.
//
// System Definition > Business Rules > New: choose the table, tick "Advanced", When: after, Insert and Update,
// and paste this as its script. Make three system properties:
//
//   closedloop.url      the whole URL, https://.../events/servicenow-records
//   closedloop.secret   the secret of that endpoint; private, to be read by administrators alone
//   closedloop.user     the user as whom closedloop works in this instance
//
// Nobody waits for it, since executeAsync does not wait for the answer. When: async is no substitute: such a rule runs
// later, when the record may have been changed again, and knows neither the operation nor `previous`.
//
// ServiceNow does not repeat a call that was lost.
(function executeRule(current, previous) {
    // Workflows that write into this table would otherwise start themselves.
    if (current.getValue('sys_updated_by') === gs.getProperty('closedloop.user')) {
        return;
    }

    // The fields whose new values workflows ask for.
    var watched = ['state', 'priority', 'assigned_to', 'assignment_group', 'close_code'];
    var changes = {};
    for (var i = 0; previous && i < watched.length; i++) {
        var name = watched[i];
        if (current.getValue(name) !== previous.getValue(name)) {
            changes[name] = current.getValue(name);
        }
    }

    var message = new sn_ws.RESTMessageV2();
    message.setEndpoint(gs.getProperty('closedloop.url'));
    message.setHttpMethod('POST');
    message.setRequestHeader('Content-Type', 'application/json');
    message.setRequestHeader('X-Closedloop-Secret', gs.getProperty('closedloop.secret'));
    message.setRequestBody(JSON.stringify({
        event: current.operation() === 'insert' ? 'record.created' : 'record.updated',
        table: current.getTableName(),
        sys_id: current.getUniqueValue(),
        sys_mod_count: current.getValue('sys_mod_count'),
        number: current.getValue('number'),
        state: current.getValue('state'),
        short_description: current.getValue('short_description'),
        // getValue is in UTC; getDisplayValue would be in the user's time zone.
        updated_on: current.getValue('sys_updated_on'),
        updated_by: current.getValue('sys_updated_by'),
        correlation_id: current.getValue('correlation_id'),
        changes: changes
    }));
    message.executeAsync();
})(current, previous);
