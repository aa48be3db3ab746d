"""Grades a folder of homework, each submission in a sandbox: ``start.py grade FOLDER``.

- `grade`: the command, and the loop over submissions
- `submissions`: finds and reads what was handed in
- `gradebook`: the part that nbgrader does
- `sandbox`: starts `fork_server.py` in bubblewrap; it forks a `worker.py` for each submission
- `report`: grades.csv and class.html
"""
