"""Scores and explains rows over HTTP: MODEL=detector.skd uvicorn scoring_app:app."""

import os

import pandas as pd
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

import skdiffusion

detector = skdiffusion.load(os.environ["MODEL"])
app = FastAPI(title="Anomaly scores")


class Request(BaseModel):
    """Rows as records, in which null or nothing is a missing cell."""

    rows: list[dict[str, bool | float | str | None]] = Field(min_length=1, max_length=10_000)
    n_cells: int = Field(3, ge=0)  # that are named as reasons


@app.post("/score")
def score(request: Request):
    """Say how normal rows are, how often normal ones are as odd, and because of which cells."""
    columns = list(detector.feature_names_in_)
    if unknown := set().union(*request.rows).difference(columns):
        raise HTTPException(422, f"Unknown columns: {sorted(unknown)}. Known are {columns}.")
    X = pd.DataFrame(request.rows, columns=columns)
    try:
        found = detector.score_samples(X), detector.predict_pvalue(X), detector.predict(X)
        why = detector.explain(X)
    except (ValueError, TypeError) as error:  # in the words of the package
        raise HTTPException(422, str(error)) from error
    expected, rows = why.expected.astype(object), zip(*map(list, found), strict=True)
    answer = [{"score": float(s), "pvalue": float(p), "label": int(sign)} for s, p, sign in rows]
    for i, row in enumerate(answer):
        top = why.contributions.iloc[i].nlargest(request.n_cells)
        top = [(name, nats) for name, nats in top.items() if nats > 0]
        row["cells"] = [
            {"column": name, "contribution": nats, "expected": expected.iloc[i][name]}
            for name, nats in top
        ]
    return answer


@app.get("/health")
def health():
    """Say that the model is loaded."""
    return {"status": "ok"}


@app.get("/card", response_class=PlainTextResponse)
def card():
    """Say what the model is."""
    return skdiffusion.model_card(detector)
