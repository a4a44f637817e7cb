"""Commands of ``manage.py``: each file is one."""
