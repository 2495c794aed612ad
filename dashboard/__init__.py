"""What people see, and the only REST server. Writes rows, decides nothing.

How a page is added: ``dashboard/pages/<noun>.py`` exports

* ``layout(context: PageContext) -> Component``: the page, in the language and theme of ``context`` (``dashboard/context.py``); no database
  reads here, a callback brings the content;
* ``register(app: PageApp, services: Services) -> None``: its callbacks, by ``@app.callback(Output(...), Input(...), role=Role.VIEWER)`` on
  plain functions (each runs in a worker thread, its role is checked on the server before it runs, ``current_context()`` tells who asks)
  and ``app.clientside(...)``. Chart data are plain dicts, never ``go.Figure``.

``dashboard/shell.py`` (frame, menu, routing by ``dcc.Location``) exports ``index(context, parts)``, ``layout(context)`` and
``register(app, services)``, and names the pages there are.

Everything that pages and REST both need is in ``Services`` (``dashboard/services.py``); what it returns are the frozen dataclasses of
``dashboard/views.py``. Live values come by one ``EventSource('/live?topics=overview,sources,signal:12')`` a page: ``dashboard/live.py``.
"""
