#!/usr/bin/env python3
"""Writes the dashboards beside this file: dashboards/*.json, which are checked in.

    dashboards/build.py           writes them
    dashboards/build.py --check   fails when a file differs from what would be written

Rules for all dashboards:

- `unit` is one unit; its series are rolled up by the service. Children are selected by `parent`.
  Nothing is summed across levels.
- A value holds from the first instant of its month to that of the next, so lines are steps and
  missing months are gaps.
- Prometheus has no notion of months. The variable `month` lists them with their first instants as
  values, after "Mới nhất" (newest) with the value 0. The hidden variable `at` is an instant: that
  of the chosen month, or of the newest month in which the unit has a figure at the end of the
  dashboard's time range, read from `..._latest_period_timestamp_seconds`. Panels about one month
  query `@ $at` and so do not depend on the time range.
- A target is met from 100 % of it and close from 95 %, as in the field `status` of the service.
  For all measures shown here a higher value is better.
"""

import calendar
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURES = {"type": "prometheus", "uid": "egov-kpi"}
HEALTH = {"type": "prometheus", "uid": "egov-kpi-health"}
INFINITY = {"type": "yesoreyeram-infinity-datasource", "uid": "egov-kpi-infinity"}
YEARS = range(2019, 2031)

BOARDS = {
    "egov-overview": "Tổng quan tỉnh",
    "egov-ranking": "Xếp hạng đơn vị",
    "egov-unit": "Xu hướng của đơn vị",
    "egov-quality": "Chất lượng số liệu",
    "egov-health": "Tình trạng dịch vụ",
    "egov-infinity": "Thẻ điểm và ghi chú (nguồn Infinity)",
}

# Measures of the scorecard: metric names without `egov_`.
SCORECARD = {
    "ioffice_documents_signed_rate": "Tỷ lệ văn bản đi được ký số (%)",
    "igate_dossiers_online_rate": "Tỷ lệ hồ sơ nộp trực tuyến (%)",
    "igate_dossiers_clearance_rate": "Tỷ lệ giải quyết so với tiếp nhận (%)",
    "petitions_answer_rate": "Tỷ lệ đơn phản ánh, kiến nghị được trả lời (%)",
    "pki_individual_coverage": "Chứng thư số cá nhân trên số người dùng (%)",
    "ioffice_users_total_figure": "Tổng số người dùng",
    "pki_certificates_total_figure": "Tổng số chứng thư số",
    "mail_mailboxes_total_figure": "Tổng số hộp thư",
    "ioffice_documents_outgoing": "Văn bản đi",
    "igate_dossiers_received": "Hồ sơ tiếp nhận",
}
# Measures for rankings: rates with a target for which a higher value is better.
RANKED = [
    "ioffice_documents_signed_rate",
    "igate_dossiers_online_rate",
    "igate_dossiers_clearance_rate",
    "petitions_answer_rate",
]

PERCENT, POINTS, COUNT, MONTH = "percent", "suffix: điểm", "locale", "time:MM/YYYY"


# Queries


def own(metric):
    """Selects the series of the chosen unit."""
    return f'egov_{metric}{{unit="$unit"}}'


def children(metric):
    """Selects the series of each child of the chosen unit."""
    return f'egov_{metric}{{parent="$unit"}}'


def prometheus(expr, legend="", ref="A", table=False, at=False, source=FIGURES, interval="1d"):
    """Builds a query; `at` makes it an instant query about the chosen month."""
    once = table or at
    return {
        "refId": ref,
        "datasource": source,
        "editorMode": "code",
        "expr": expr,
        "legendFormat": legend or "__auto",
        "instant": once,
        "range": not once,
        "format": "table" if table else "time_series",
        "interval": interval,
    }


def queries(*pairs, **options):
    """Builds queries from pairs of expression and legend."""
    return [
        prometheus(expr, legend, chr(ord("A") + n), **options)
        for n, (expr, legend) in enumerate(pairs)
    ]


def infinity(url, root, columns, ref="A", form="table"):
    """Builds a query of the Infinity source; columns are (selector, text, type)."""
    return {
        "refId": ref,
        "datasource": INFINITY,
        "type": "json",
        "source": "url",
        "parser": "backend",
        "format": form,
        "url": url,
        "url_options": {"method": "GET", "data": ""},
        "root_selector": root,
        "filters": [],
        "columns": [
            {"selector": selector, "text": text, "type": kind}
            | ({"timestampFormat": "2006-01"} if kind == "timestamp" and selector != "time" else {})
            for selector, text, kind in columns
        ],  # timestamps other than `time` are months
    }


# Panels


def steps(*pairs):
    return {
        "mode": "absolute",
        "steps": [{"color": color, "value": value} for value, color in pairs],
    }


NONE = steps((None, "text"))
ATTAINMENT = steps((None, "red"), (95, "yellow"), (100, "green"))
COMPLETE = steps((None, "red"), (95, "yellow"), (100, "green"))
FEW = steps((None, "green"), (1, "orange"))


def override(name, regexp=False, **properties):
    """Overrides the properties of one field; `__` in the name of a property means a dot."""
    return {
        "matcher": {"id": "byRegexp" if regexp else "byName", "options": name},
        "properties": [
            {"id": key.replace("__", "."), "value": value} for key, value in properties.items()
        ],
    }


def dashed(name):
    """Draws the line of a target dashed and red."""
    return override(
        name,
        custom__lineStyle={"fill": "dash", "dash": [10, 10]},
        color={"mode": "fixed", "fixedColor": "red"},
    )


def panel(
    kind,
    title,
    targets,
    size,
    options,
    unit=None,
    decimals=None,
    thresholds=NONE,
    custom=None,
    overrides=(),
    description="",
    novalue=None,
    **rest,
):
    defaults = {"thresholds": thresholds, "mappings": [], "color": {"mode": "thresholds"}}
    if unit:
        defaults["unit"] = unit
    if decimals is not None:
        defaults["decimals"] = decimals
    if novalue is not None:
        defaults["noValue"] = novalue
    if custom is not None:
        defaults["custom"] = custom
    source = targets[0]["datasource"]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": source,
        "targets": targets,
        "interval": targets[0].get("interval", "1d"),
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "gridPos": {"w": size[0], "h": size[1]},
        **rest,
    }


def series(title, targets, size=(12, 8), unit=COUNT, steps_=True, **rest):
    """Builds a time series panel: steps, because a value holds all month, and gaps for missing
    months."""
    drawn = panel(
        "timeseries",
        title,
        targets,
        size,
        unit=unit,
        **rest,
        options={
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        custom={
            "drawStyle": "line",
            "lineInterpolation": "stepAfter" if steps_ else "linear",
            "lineWidth": 2,
            "fillOpacity": 0,
            "showPoints": "never",
            "spanNulls": False,
            "axisPlacement": "auto",
        },
    )
    drawn["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}
    return drawn


def stat(title, targets, size=(6, 4), color="value", **rest):
    return panel(
        "stat",
        title,
        targets,
        size,
        **rest,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": color,
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        },
    )


def table(title, targets, size, order, overrides=(), sort=None, **rest):
    """Builds a table. `order` maps fields to the column titles shown, in order; fields without a
    title are hidden."""
    shown = {field: name for field, name in order.items() if name}
    return panel(
        "table",
        title,
        targets,
        size,
        custom={"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False},
        overrides=overrides,
        options={
            "frameIndex": 0,
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort, "desc": True}] if sort else [],
        },
        transformations=([{"id": "merge", "options": {}}] if len(targets) > 1 else [])
        + [
            {
                "id": "organize",
                "options": {
                    "excludeByName": {field: True for field, name in order.items() if not name},
                    "indexByName": {field: place for place, field in enumerate(shown)},
                    "renameByName": shown,
                },
            }
        ],
        **rest,
    )


def chosen(size=(4, 4)):
    """Builds the panel with the month that the panels about one month show."""
    return stat(
        "Tháng đang xem",
        [prometheus("vector($at) * 1000", at=True)],
        size,
        unit=MONTH,
        description=(
            "Tháng đã chọn. Nếu chọn “Mới nhất”: tháng gần nhất mà đơn vị có số liệu, tính đến "
            "cuối khoảng thời gian của trang."
        ),
    )


def row(title):
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"w": 24, "h": 1},
    }


def placed(panels):
    """Gives panels their ids and positions, from left to right."""
    x = y = height = 0
    for number, each in enumerate(panels, 1):
        place = each["gridPos"]
        if x + place["w"] > 24:
            x, y, height = 0, y + height, 0
        each["id"] = number
        place["x"], place["y"] = x, y
        x, height = x + place["w"], max(height, place["h"])
    return panels


# Variables, links, annotations


def query_variable(name, label, query, regex="", hide=0, source=FIGURES, **rest):
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": source,
        "query": {"qryType": 3, "query": query, "refId": name},
        "regex": regex,
        "refresh": 2,
        "sort": 0,
        "hide": hide,
        "multi": False,
        "includeAll": False,
        "options": [],
        **rest,
    }


def custom_variable(name, label, options, description=""):
    """Builds a variable from pairs of text and value; the first is the default."""
    text, value = options[0]
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "description": description,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "query": ",".join(
            f"{text.replace(',', chr(92) + ',')} : {value}" for text, value in options
        ),
        "options": [],
        "current": {"text": text, "value": value, "selected": True},
    }


# Units with figures in the last three years, also those that no longer exist. Three metrics,
# because a catalogue may lack some of them.
UNITS = query_variable(
    "unit",
    "Đơn vị",
    'query_result(last_over_time({__name__=~"egov_(late_units|ioffice_users_total_figure|igate_dossiers_received)"}[3y]))',
    '/unit="(?<value>[^"]+)".*unit_name="(?<text>[^"]+)"/',
)
MONTHS = custom_variable(
    "month",
    "Tháng",
    [("Mới nhất", "0")]
    + [
        (f"{year}-{month:02}", str(calendar.timegm((year, month, 1, 0, 0, 0))))
        for year in YEARS
        for month in range(1, 13)
    ],
    (
        "Mỗi tháng được biểu thị bằng thời điểm đầu tháng (UTC). “Mới nhất” là tháng gần nhất có "
        "số liệu, tính đến cuối khoảng thời gian của trang."
    ),
)
# Without any figure, `at` is the end of the time range: panels then say "no data" instead of
# failing.
AT = query_variable(
    "at",
    "Thời điểm",
    (
        "query_result(vector($month) > 0 or "
        'max({__name__=~"egov_.+_latest_period_timestamp_seconds",'
        '__name__!~"egov_(completeness_percent|late_units|findings)_.+",unit="$unit"}) '
        "or vector(time()))"
    ),
    r"/ ([\d.]+) /",
    hide=2,
    skipUrlSync=True,
)
RANKING_MEASURE = custom_variable("measure", "Chỉ số", [(SCORECARD[name], name) for name in RANKED])


def links(own):
    """Builds the links to the other dashboards, with unit, month and time range. The dashboard of
    the service's health has no unit, and the Infinity dashboard has months of another form."""

    def link(uid, title):
        apart = "egov-health" in (own, uid)
        unit = "?${unit:queryparam}" if "egov-infinity" in (own, uid) and not apart else ""
        return {
            "type": "link",
            "title": title,
            "url": f"/d/{uid}{unit}",
            "icon": "dashboard",
            "tooltip": "",
            "tags": [],
            "asDropdown": False,
            "targetBlank": False,
            "includeVars": not apart and not unit,
            "keepTime": not apart,
        }

    return [link(uid, title) for uid, title in BOARDS.items() if uid != own]


def annotation(name, expr, color, title, text, tags=""):
    return {
        "name": name,
        "datasource": FIGURES,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": tags,
        "target": {
            "refId": "Anno",
            "expr": expr,
            "interval": "1d",
            "legendFormat": "",
            "range": True,
            "instant": False,
        },
    }


BUILT_IN = {
    "builtIn": 1,
    "name": "Annotations & Alerts",
    "type": "dashboard",
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
}
FOUND = annotation(
    "Mâu thuẫn số liệu",
    own("findings") + " > 0",
    "orange",
    "Mâu thuẫn số liệu",
    "{{unit_name}}: {{rule}} ({{severity}})",
    "rule,severity",
)
LATE = annotation(
    "Báo cáo trễ", own("late_units") + " > 0", "red", "Báo cáo trễ hoặc thiếu", "{{unit_name}}"
)
# Marks the first day of a month in which the number of children differs from the day before.
MERGED = annotation(
    "Sáp nhập, chia tách",
    f"count({children('late_units')}) != count({children('late_units')} offset 1d)",
    "purple",
    "Sáp nhập, chia tách",
    "Số đơn vị trực thuộc thay đổi",
)


def board(uid, description, panels, variables, annotations, span="now-3y/M"):
    return {
        "uid": uid,
        "title": BOARDS[uid],
        "description": description,
        "tags": ["egov-kpi"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "timezone": "utc",
        "weekStart": "monday",
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "refresh": "",
        "time": {"from": span, "to": "now"},
        "timepicker": {},
        "templating": {"list": variables},
        "annotations": {"list": [BUILT_IN, *annotations]},
        "links": links(uid),
        "panels": placed(panels),
    }


# The dashboards

OF_TARGET = {"unit": PERCENT, "decimals": 1, "thresholds": ATTAINMENT}
COLORED = {"custom__cellOptions": {"type": "color-text"}}
IN_POINTS = override("So .*", True, unit=POINTS)
DRILL = {
    "title": 'Xu hướng của ${__data.fields["Đơn vị"]}',
    "url": (
        '/d/egov-unit?var-unit=${__data.fields["Mã đơn '
        'vị"]}&${month:queryparam}&${__url_time_range}'
    ),
}
TARGETS = "Đạt: từ 100 % mục tiêu; gần đạt: từ 95 %; dưới mức đó: chưa đạt."
NOTE = (
    "Giá trị của tháng có hiệu lực từ 00:00 UTC ngày đầu tháng đến đầu tháng sau; tháng thiếu "
    "số liệu để trống. "
    "Mỗi cấp có chuỗi số liệu riêng, không cộng giữa các cấp. Ghi chú bằng chữ (thay đổi tổ "
    "chức, sự cố) có ở trang dùng nguồn Infinity."
)


def month(expr, legend="{{unit_name}}"):
    """Builds a query for one value of the chosen month."""
    return [prometheus(expr, legend, at=True)]


def months(*pairs):
    """Builds queries for values of the chosen month, each with its legend."""
    return queries(
        *((f"{expr} @ $at" if "@" not in expr else expr, legend) for expr, legend in pairs), at=True
    )


def attainment(metric):
    return f"100 * {own(metric)} @ $at / {own(metric + '_target')} @ $at"


def completeness():
    return [
        stat(
            "Mức đầy đủ",
            month(own("completeness_percent") + " @ $at"),
            unit=PERCENT,
            decimals=1,
            thresholds=COMPLETE,
        ),
        stat(
            "Đơn vị báo cáo trễ hoặc thiếu",
            month(own("late_units") + " @ $at"),
            unit=COUNT,
            thresholds=FEW,
        ),
    ]


def rate(metric, title, *split):
    """Builds the panels of a rate: value of the month with changes, target and attainment;
    trend."""
    of_month = months(
        (own(metric), "Giá trị"),
        (own(metric + "_mom_delta"), "So với tháng trước"),
        (own(metric + "_yoy_delta"), "So với cùng kỳ"),
        (own(metric + "_target"), "Mục tiêu"),
        (attainment(metric), "Mức đạt mục tiêu"),
    )
    trend = queries((own(metric), "Toàn đơn vị"), *split, (own(metric + "_target"), "Mục tiêu"))
    return [
        stat(
            title + ": tháng đang xem",
            of_month,
            (8, 8),
            unit=PERCENT,
            decimals=2,
            description=TARGETS,
            overrides=[IN_POINTS, override("Mức đạt mục tiêu", **OF_TARGET)],
        ),
        series(title, trend, (16, 8), unit=PERCENT, overrides=[dashed("Mục tiêu")]),
    ]


def stock(metric, title):
    """Builds the panels of a stock: value of the month with changes; trend."""
    of_month = months(
        (own(metric), "Giá trị"),
        (own(metric + "_mom_delta"), "So với tháng trước"),
        (own(metric + "_yoy_percent"), "So với cùng kỳ"),
    )
    return (
        stat(
            title + ": tháng đang xem",
            of_month,
            (8, 4),
            unit=COUNT,
            overrides=[override("So với cùng kỳ", unit=PERCENT, decimals=1)],
        ),
        series(title, queries((own(metric), title)), (8, 7)),
    )


def card():
    """Builds the table of the scorecard. Each query keeps only the label `measure`, so that its
    results merge into one row for each measure."""
    names = "|".join(SCORECARD)

    def named(suffix=""):
        figures = f'{{__name__=~"egov_({names}){suffix}",unit="$unit"}} @ $at'
        return (
            f'max by (measure) (label_replace({figures}, "measure", "$1", "__name__", '
            f'"egov_(.+){suffix}"))'
        )

    asked = [
        named(),
        named("_mom_delta"),
        named("_yoy_delta"),
        named("_target"),
        f"100 * {named()} / {named('_target')}",
    ]
    shown = {
        "type": "value",
        "options": {
            name: {"text": text, "index": place}
            for place, (name, text) in enumerate(SCORECARD.items())
        },
    }
    return table(
        "Thẻ điểm: giá trị, thay đổi, mục tiêu",
        queries(*((expr, "") for expr in asked), table=True),
        (24, 13),
        {
            "Time": None,
            "measure": "Chỉ số",
            "Value #A": "Giá trị",
            "Value #B": "So với tháng trước",
            "Value #C": "So với cùng kỳ năm trước",
            "Value #D": "Mục tiêu",
            "Value #E": "Mức đạt mục tiêu",
        },
        unit=COUNT,
        decimals=2,
        description="Tỷ lệ: thay đổi tính bằng điểm phần trăm. " + TARGETS,
        overrides=[
            override("Chỉ số", mappings=[shown], custom__width=420, unit="string"),
            override("Mức đạt mục tiêu", **OF_TARGET, **COLORED),
        ],
    )


def overview():
    users = stock("ioffice_users_total_figure", "Tài khoản người dùng")
    certificates = stock("pki_certificates_total_figure", "Chứng thư số")
    mailboxes = stock("mail_mailboxes_total_figure", "Hộp thư công vụ")
    levels = (own("igate_dossiers_online_rate_by_service_level"), "Mức độ {{service_level}}")
    return board(
        "egov-overview",
        NOTE,
        [
            chosen((6, 4)),
            *completeness(),
            stat(
                "Mâu thuẫn số liệu",
                month(own("findings") + " @ $at", "{{rule}}"),
                unit=COUNT,
                thresholds=FEW,
                novalue="0",
            ),
            card(),
            row("Ký số"),
            *rate("ioffice_documents_signed_rate", "Tỷ lệ văn bản đi được ký số"),
            series(
                "Tỷ lệ ký số của các đơn vị trực thuộc",
                queries((children("ioffice_documents_signed_rate"), "{{unit_name}}")),
                (24, 9),
                unit=PERCENT,
            ),
            row("Hồ sơ trực tuyến"),
            *rate(
                "igate_dossiers_online_rate",
                "Tỷ lệ hồ sơ nộp trực tuyến theo mức độ dịch vụ",
                levels,
            ),
            row("Tài khoản, chứng thư số, hộp thư"),
            users[0],
            certificates[0],
            mailboxes[0],
            users[1],
            certificates[1],
            mailboxes[1],
        ],
        [UNITS, MONTHS, AT],
        [FOUND, MERGED],
    )


def ranking():
    def measure(suffix=""):
        return children("${measure}" + suffix)

    def of_month(suffix=""):
        return f"max by (unit, unit_name) ({measure(suffix)} @ $at)"

    reached = f"100 * {of_month()} / {of_month('_target')}"
    asked = [
        f"sort_desc({of_month()})",
        of_month("_mom_delta"),
        of_month("_yoy_delta"),
        of_month("_target"),
        reached,
    ]
    ranked = NOTE + (
        " Xếp theo giá trị từ cao xuống thấp. Thứ hạng chính thức (có đồng hạng và hạng kỳ "
        "trước) có ở trang dùng nguồn Infinity."
    )
    return board(
        "egov-ranking",
        ranked,
        [
            chosen((8, 4)),
            stat(
                "Cao nhất", month(f"topk(1, {measure()} @ $at)"), (8, 4), unit=PERCENT, decimals=2
            ),
            stat(
                "Thấp nhất",
                month(f"bottomk(1, {measure()} @ $at)"),
                (8, 4),
                unit=PERCENT,
                decimals=2,
            ),
            table(
                "Đơn vị trực thuộc theo ${measure:text}",
                queries(*((expr, "") for expr in asked), table=True),
                (14, 12),
                {
                    "Time": None,
                    "unit_name": "Đơn vị",
                    "unit": "Mã đơn vị",
                    "Value #A": "Giá trị",
                    "Value #B": "So với tháng trước",
                    "Value #C": "So với cùng kỳ năm trước",
                    "Value #D": "Mục tiêu",
                    "Value #E": "Mức đạt mục tiêu",
                },
                unit=PERCENT,
                decimals=2,
                sort="Giá trị",
                description=TARGETS,
                overrides=[
                    override("Đơn vị", links=[DRILL]),
                    IN_POINTS,
                    override("Mức đạt mục tiêu", **OF_TARGET, **COLORED),
                ],
            ),
            panel(
                "bargauge",
                "Mức đạt mục tiêu (%)",
                month(f"sort_desc({reached})"),
                (10, 12),
                {
                    "displayMode": "basic",
                    "orientation": "horizontal",
                    "valueMode": "color",
                    "namePlacement": "auto",
                    "showUnfilled": True,
                    "sizing": "auto",
                    "minVizWidth": 8,
                    "minVizHeight": 16,
                    "maxVizHeight": 300,
                    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                    "legend": {
                        "calcs": [],
                        "displayMode": "list",
                        "placement": "bottom",
                        "showLegend": False,
                    },
                },
                **OF_TARGET,
            ),
            series(
                "Diễn biến của các đơn vị trực thuộc",
                queries((measure(), "{{unit_name}}")),
                (24, 10),
                unit=PERCENT,
            ),
            series(
                "Thay đổi so với tháng trước",
                queries((measure("_mom_delta"), "{{unit_name}}")),
                (24, 8),
                unit=POINTS,
            ),
        ],
        [UNITS, MONTHS, AT, RANKING_MEASURE],
        [MERGED],
    )


def unit_trends():
    signed, received = "ioffice_documents_signed_rate", "igate_dossiers_received"

    def trend(title, *pairs, **rest):
        return series(title, queries(*((own(metric), legend) for metric, legend in pairs)), **rest)

    return board(
        "egov-unit",
        NOTE,
        [
            chosen((6, 4)),
            stat(
                "Tỷ lệ ký số",
                months(
                    (own(signed), "Giá trị"), (own(signed + "_mom_delta"), "So với tháng trước")
                ),
                unit=PERCENT,
                decimals=2,
                overrides=[IN_POINTS],
            ),
            stat(
                "Ký số: mức đạt mục tiêu",
                month(attainment(signed)),
                description=TARGETS,
                **OF_TARGET,
            ),
            stat(
                "Hồ sơ tiếp nhận",
                months(
                    (own(received), "Giá trị"),
                    (own(received + "_mom_percent"), "So với tháng trước"),
                ),
                unit=COUNT,
                overrides=[override("So .*", True, unit=PERCENT, decimals=1)],
            ),
            trend(
                "Văn bản đi và văn bản được ký số",
                ("ioffice_documents_outgoing", "Văn bản đi"),
                ("ioffice_documents_signed", "Được ký số"),
            ),
            trend(
                "Tỷ lệ ký số",
                (signed, "{{unit_name}}"),
                (signed + "_ytd", "Lũy kế từ đầu năm"),
                (signed + "_target", "Mục tiêu"),
                unit=PERCENT,
                overrides=[dashed("Mục tiêu")],
            ),
            trend(
                "Thay đổi tỷ lệ ký số so với tháng trước",
                (signed + "_mom_delta", "Tất cả"),
                (signed + "_mom_like_for_like_delta", "Cùng đơn vị báo cáo"),
                unit=POINTS,
                description="“Cùng đơn vị báo cáo”: chỉ tính các đơn vị có số liệu ở cả hai tháng.",
            ),
            trend(
                "Hồ sơ",
                (received, "Tiếp nhận"),
                ("igate_dossiers_resolved", "Giải quyết"),
                ("igate_dossiers_backlog", "Tồn"),
            ),
            trend("Hồ sơ theo hình thức nộp", (received + "_by_channel", "{{channel}}")),
            trend(
                "Tỷ lệ trực tuyến, tỷ lệ giải quyết",
                ("igate_dossiers_online_rate", "Nộp trực tuyến"),
                ("igate_dossiers_clearance_rate", "Giải quyết so với tiếp nhận"),
                unit=PERCENT,
            ),
            trend(
                "Tài khoản, chứng thư số, hộp thư",
                ("ioffice_users_total_figure", "Tài khoản"),
                ("pki_certificates_total_figure", "Chứng thư số"),
                ("mail_mailboxes_total_figure", "Hộp thư"),
            ),
            trend(
                "Mức bao phủ (văn bản đi)",
                ("ioffice_documents_outgoing_coverage", "{{unit_name}}"),
                unit="percentunit",
            ),
        ],
        [UNITS, MONTHS, AT],
        [FOUND, LATE, MERGED],
    )


def quality():
    asked = [
        f"max by (unit, unit_name) ({children(metric)} @ $at)"
        for metric in ("completeness_percent", "late_units", "ioffice_documents_outgoing_coverage")
    ]

    def both(metric):
        return queries((own(metric), "{{unit_name}}"), (children(metric), "{{unit_name}}"))

    return board(
        "egov-quality",
        NOTE + " Mức đầy đủ và báo cáo trễ tính cho đơn vị và mọi đơn vị cấp dưới.",
        [
            chosen((6, 4)),
            *completeness(),
            # The 350 days before the first day of a month, with both edges, contain twelve first
            # days.
            stat(
                "Mâu thuẫn trong 12 tháng",
                month(f"sum_over_time({own('findings')}[350d] @ $at)", "{{rule}}"),
                unit=COUNT,
                thresholds=FEW,
                novalue="0",
                description=(
                    "Số mâu thuẫn theo từng quy tắc trong 12 tháng tính đến tháng đang xem."
                ),
            ),
            series("Mức đầy đủ", both("completeness_percent"), unit=PERCENT),
            series("Đơn vị báo cáo trễ hoặc thiếu", both("late_units")),
            series(
                "Mâu thuẫn số liệu theo quy tắc",
                queries((own("findings"), "{{rule}} ({{severity}})")),
            ),
            series(
                "Mâu thuẫn của các đơn vị trực thuộc",
                queries((children("findings"), "{{unit_name}}: {{rule}}")),
            ),
            table(
                "Đơn vị trực thuộc trong tháng",
                queries(*((expr, "") for expr in asked), table=True),
                (24, 10),
                {
                    "Time": None,
                    "unit_name": "Đơn vị",
                    "unit": "Mã đơn vị",
                    "Value #A": "Mức đầy đủ (%)",
                    "Value #B": "Đơn vị trễ hoặc thiếu",
                    "Value #C": "Mức bao phủ (văn bản đi)",
                },
                unit=COUNT,
                overrides=[
                    override("Đơn vị", links=[DRILL]),
                    override(
                        "Mức đầy đủ (%)", unit=PERCENT, decimals=1, thresholds=COMPLETE, **COLORED
                    ),
                    override("Đơn vị trễ hoặc thiếu", thresholds=FEW, **COLORED),
                    override("Mức bao phủ (văn bản đi)", unit="percentunit", decimals=1),
                ],
            ),
        ],
        [UNITS, MONTHS, AT],
        [FOUND, LATE, MERGED],
    )


def health():
    ours = '{instance=~"$instance"}'

    def ask(*pairs, **rest):
        return queries(*pairs, source=HEALTH, interval="15s", **rest)

    def per_second(metric, label, matcher=ours):
        by = f" by ({label})" if label else ""
        return f"sum{by} (rate(egov_kpi_{metric}{matcher}[$__rate_interval]))"

    def tile(title, expr, legend="{{instance}}", unit=COUNT, **rest):
        return stat(title, ask((expr, legend), at=True), unit=unit, **rest)

    def trend(title, expr, legend, unit):
        return series(title, ask((expr, legend)), unit=unit, steps_=False)

    errors = per_second("http_requests_total", "", '{instance=~"$instance",status=~"5.."}')
    quantiles = ask(
        *(
            (
                f"histogram_quantile({q}, {per_second('http_request_seconds_bucket', 'le')})",
                f"p{q * 100:g}",
            )
            for q in (0.5, 0.95, 0.99)
        )
    )
    mean = (
        f"{per_second('http_request_seconds_sum', 'route')} / "
        f"{per_second('http_request_seconds_count', 'route')}"
    )
    ready = tile(
        "Sẵn sàng",
        "egov_kpi_ready" + ours,
        unit="none",
        thresholds=steps((None, "red"), (1, "green")),
    )
    ready["fieldConfig"]["defaults"]["mappings"] = [
        {
            "type": "value",
            "options": {
                "0": {"text": "Không", "color": "red", "index": 0},
                "1": {"text": "Sẵn sàng", "color": "green", "index": 1},
            },
        }
    ]
    instances = {
        "qryType": 1,
        "metric": "egov_kpi_ready",
        "label": "instance",
        "query": "label_values(egov_kpi_ready, instance)",
        "refId": "instance",
    }
    return board(
        "egov-health",
        "Tình trạng của dịch vụ, do Prometheus thu thập từ /metrics.",
        [
            ready,
            tile("Số liệu hiện hành", "egov_kpi_figures" + ours),
            tile("Đơn vị", "egov_kpi_units" + ours),
            tile("Mâu thuẫn hiện có", "egov_kpi_findings" + ours, thresholds=FEW),
            tile("Lần sửa đổi mới nhất", "egov_kpi_ledger_revision" + ours),
            tile("Bộ nhớ dùng cho số liệu", "egov_kpi_cube_bytes" + ours, unit="bytes"),
            tile(
                "Lần ghi gần nhất",
                f"egov_kpi_last_write_timestamp_seconds{ours} * 1000",
                unit="dateTimeAsIso",
            ),
            tile(
                "Lỗi 5xx mỗi giây",
                f"{errors} or vector(0)",
                "5xx",
                "reqps",
                decimals=2,
                thresholds=steps((None, "green"), (0.01, "red")),
            ),
            trend(
                "Yêu cầu theo mã trạng thái",
                per_second("http_requests_total", "status"),
                "{{status}}",
                "reqps",
            ),
            trend(
                "Yêu cầu theo đường dẫn",
                per_second("http_requests_total", "route"),
                "{{route}}",
                "reqps",
            ),
            series("Thời gian phản hồi", quantiles, unit="s", steps_=False),
            trend("Thời gian phản hồi trung bình theo đường dẫn", mean, "{{route}}", "s"),
            trend("Số lượng ghi mỗi giây", per_second("recorded_total", "what"), "{{what}}", "cps"),
            series(
                "Số liệu và lần sửa đổi",
                ask(
                    ("egov_kpi_figures" + ours, "Số liệu {{instance}}"),
                    ("egov_kpi_ledger_revision" + ours, "Lần sửa đổi {{instance}}"),
                ),
                overrides=[override("Lần sửa đổi .*", True, custom__axisPlacement="right")],
            ),
        ],
        [
            query_variable("instance", "Tiến trình", "", source=HEALTH)
            | {
                "multi": True,
                "includeAll": True,
                "current": {"text": ["All"], "value": ["$__all"]},
                "query": instances,
            }
        ],
        [],
        span="now-6h",
    )


def by_infinity():
    span = "from=${__from:date:YYYY-MM}&to=${__to:date:YYYY-MM}"
    unit, measure = "unit=${unit:percentencode}", "measure=${measure:percentencode}"
    rows, notes = f"/series?{measure}&{unit}&{span}&layout=rows", f"/annotations?{unit}&{span}"
    words = [
        ("met", "Đạt", "green"),
        ("close", "Gần đạt", "yellow"),
        ("behind", "Chưa đạt", "red"),
        ("no_data", "Không có số liệu", "text"),
    ]
    status = [
        {
            "type": "value",
            "options": {
                key: {"text": text, "color": color, "index": place}
                for place, (key, text, color) in enumerate(words)
            },
        }
    ]

    def line(column, title, ref="A"):
        return infinity(
            rows,
            "rows",
            [("time", "time", "timestamp"), (column, title, "number")],
            ref,
            "timeseries",
        )

    def variable(name, label, url, root, columns, **rest):
        query = {
            "queryType": "infinity",
            "query": "",
            "infinityQuery": infinity(url, root, columns, name),
        }
        return query_variable(name, label, "", source=INFINITY) | {"query": query} | rest

    def listing(title, url, root, *columns, size=(12, 10)):
        """Builds a table from a query; a title given as a list means a column of numbers."""
        typed = [
            (selector, title[0], "number")
            if isinstance(title, list)
            else (selector, title, "string")
            for selector, title in columns
        ]
        names = [name for _, name, _ in typed]
        return table(
            title,
            [infinity(url, root, typed)],
            size,
            {name: name for name in names},
            overrides=[override("Tình trạng", mappings=status, **COLORED)]
            if "Tình trạng" in names
            else [],
        )

    return board(
        "egov-infinity",
        "Trang này cần nguồn dữ liệu Infinity (không có sẵn trong Grafana) và đọc trực tiếp "
        "API của dịch vụ. "
        "Ghi chú bằng chữ (thay đổi tổ chức, sự cố) hiện trên biểu đồ và trong bảng; nguồn "
        "Prometheus chỉ có số nên không có ghi chú.",
        [
            series("${measure:text}", [line("value", "Giá trị")], unit=PERCENT),
            series(
                "Thay đổi so với tháng trước",
                [line("delta", "Tất cả"), line("like_for_like_delta", "Cùng đơn vị báo cáo", "B")],
                unit=POINTS,
            ),
            listing(
                "Thẻ điểm của tháng ${month}",
                f"/scorecard?{unit}&period=${{month}}",
                "rows",
                ("name.vi", "Chỉ số"),
                ("value", ["Giá trị"]),
                ("delta", ["So với tháng trước"]),
                ("year_delta", ["So với cùng kỳ"]),
                ("target", ["Mục tiêu"]),
                ("attainment", ["Mức đạt mục tiêu (%)"]),
                ("status", "Tình trạng"),
                size=(24, 10),
            ),
            listing(
                "Xếp hạng đơn vị trực thuộc, tháng ${month}",
                f"/ranking?{measure}&parent=${{unit:percentencode}}&period=${{month}}",
                "rows",
                ("rank", ["Hạng"]),
                ("previous_rank", ["Hạng kỳ trước"]),
                ("name.vi", "Đơn vị"),
                ("value", ["Giá trị"]),
                ("delta", ["So với tháng trước"]),
                ("target", ["Mục tiêu"]),
                ("attainment", ["Mức đạt mục tiêu (%)"]),
                ("status", "Tình trạng"),
            ),
            listing(
                "Ghi chú",
                notes,
                "annotations",
                ("from", "Từ tháng"),
                ("to", "Đến tháng"),
                ("unit", "Đơn vị"),
                ("text", "Ghi chú"),
            ),
            listing(
                "Báo cáo trễ hoặc thiếu theo đơn vị, tháng ${month}",
                "/completeness?period=${month}&parent=${unit:percentencode}",
                "rates",
                ("name.vi", "Đơn vị"),
                ("expected", ["Phải báo cáo"]),
                ("on_time", ["Đúng hạn"]),
                ("late", ["Trễ"]),
                ("missing", ["Thiếu"]),
                ("completeness", ["Mức đầy đủ (%)"]),
                ("timeliness", ["Đúng hạn (%)"]),
            ),
            listing(
                "Mâu thuẫn số liệu",
                f"/findings?{unit}&{span}",
                "findings",
                ("period", "Tháng"),
                ("unit", "Đơn vị"),
                ("rule", "Quy tắc"),
                ("detail_vi", "Nội dung"),
            ),
        ],
        [
            variable(
                "unit",
                "Đơn vị",
                "/units?limit=10000",
                "units",
                [("name.vi", "__text", "string"), ("code", "__value", "string")],
            ),
            custom_variable(
                "measure",
                "Chỉ số",
                [
                    ("Tỷ lệ văn bản đi được ký số", "ioffice.documents.signed_rate"),
                    ("Tỷ lệ hồ sơ nộp trực tuyến", "igate.dossiers.online_rate"),
                    ("Tỷ lệ giải quyết so với tiếp nhận", "igate.dossiers.clearance_rate"),
                    ("Tỷ lệ đơn phản ánh được trả lời", "petitions.answer_rate"),
                ],
            ),
            # Here the service lists the months: the last ones up to the newest with a figure,
            # newest first.
            variable(
                "month",
                "Tháng",
                f"/series?{measure}&{unit}&last=36&layout=rows",
                "rows",
                [("period", "period", "string")],
                sort=2,
            ),
        ],
        [
            {
                "name": "Ghi chú",
                "datasource": INFINITY,
                "enable": True,
                "hide": False,
                "iconColor": "purple",
                "target": infinity(
                    notes,
                    "annotations",
                    [
                        ("from", "time", "timestamp"),
                        ("text", "text", "string"),
                        ("unit", "title", "string"),
                    ],
                    "Anno",
                ),
            }
        ],
    )


def main():
    stale = []
    for each in (overview(), ranking(), unit_trends(), quality(), health(), by_infinity()):
        path, written = (
            HERE / f"{each['uid']}.json",
            json.dumps(each, ensure_ascii=False, indent=2) + "\n",
        )
        if "--check" not in sys.argv:
            path.write_text(written)
        elif not path.exists() or path.read_text() != written:
            stale.append(path.name)
    if stale:
        raise SystemExit(f"differs from what dashboards/build.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
