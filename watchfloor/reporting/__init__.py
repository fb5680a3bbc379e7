"""What a stretch of time was like for the fleet, from what is kept: `watchfloor report`.

docs/report.md defines every figure.

    kept.py, spans.py    what reckoning begins from: nodes, episodes, attempts, who watched when; stretches of time
    reading.py, fromledger.py, fromlineage.py, fromsessions.py    ledger, lineage and recordings read into that
    downtime.py reliability.py faults.py hours.py energy.py acts.py changes.py basis.py    the figures, a subject a file
    figures.py           a figure, a table, a section: each with its basis, and what isn't known with its reason
    whole.py             all of them in order
    shown.py document.py text.py markdown.py webpage.py    as people read a figure; as JSON, as text, as a page
"""
