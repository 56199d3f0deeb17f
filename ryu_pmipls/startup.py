"""Lets Ryu 4.34 start with a current eventlet; runs at every start of Python (``ryu_pmipls.pth``).

Ryu's web server imports ``eventlet.wsgi.ALREADY_HANDLED``, which eventlet dropped in 0.30.3. Nothing happens
here before a program imports Ryu's ``ryu.lib.hub``; only then is the name put back where it is missing. An empty
list is what it must be: eventlet iterates over it as the body of a response that has already been sent.
"""

import sys


class RyuStartup:
    """Finds no module, but prepares eventlet when Ryu's first user of it is being looked for."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> None:
        if name != "ryu.lib.hub":
            return
        sys.meta_path.remove(cls)
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # eventlet announces its own retirement at each start
            import eventlet.wsgi
        if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
            eventlet.wsgi.ALREADY_HANDLED = []


sys.meta_path.insert(0, RyuStartup)
