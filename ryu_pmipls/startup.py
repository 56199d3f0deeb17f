"""Lets Ryu 4.34 start with a current eventlet; runs at every start of Python (``ryu_pmipls.pth``).

Nothing happens here before a program imports Ryu. Then two modules of Ryu are prepared for:

* ``ryu.lib.hub``: Ryu's web server imports ``eventlet.wsgi.ALREADY_HANDLED``, which eventlet dropped in 0.30.3. It
  is put back where it is missing. An empty list is what it must be: eventlet iterates over it as the body of a response
  that has already been sent.
* ``ryu.cmd.manager``, the program ``ryu-manager``: it makes its log handlers before it replaces the locks of
  ``threading``, so these would keep locks that know nothing of green threads, and eventlet would complain of them at
  each start. They are replaced before its first import, unless ``--enable-debugger`` wants threads as they are.
"""

import sys


class RyuStartup:
    """Finds no module, but prepares eventlet when a module of Ryu that needs it is being looked for."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> None:
        if name not in ("ryu.lib.hub", "ryu.cmd.manager"):
            return
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # eventlet announces its own retirement at each start
            import eventlet.wsgi
        if name == "ryu.cmd.manager":
            eventlet.monkey_patch(thread="--enable-debugger" not in sys.argv)
            return
        sys.meta_path.remove(cls)
        if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
            eventlet.wsgi.ALREADY_HANDLED = []


sys.meta_path.insert(0, RyuStartup)
