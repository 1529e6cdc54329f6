//! The arithmetic of docs/specification.md, heading by heading, on cases that are small enough to
//! be computed by hand. The computation is beside each expected value.

mod changes;
mod formulas;
mod kpis;
mod merged_units;
mod not_applicable;
mod values;

use crate::case::Case;

const CATALOGUE: &str = "
    flow    f
    flow    g
    flow    h         .1
    flow    n         -
    flow    broken    break@2021-04
    flow    split     channel*=in_person|online level*=three|four
    flow    subset    channel=in_person|online
    flow    dated     way*=counter|online|post~2021-04..|fax~..2021-02
    flow    begun     begin*=post~2021-04..|mail~2021-04..
    average m_dated   way*=counter|online|post~2021-04..|fax~..2021-02
    flow    host      holder=individual|organisation token*=usb|sim@holder:individual
    flow    certs     holder*=individual|organisation token*=usb|sim@holder:individual
    stock   s
    stock   s2
    stock   sb        break@2021-05
    average m         .1
    average share     .1 %
    average m_split   channel*=in_person|online
    kpi     rate      % = f / g
    kpi     plain     = f / g
    kpi     filled    = (f ?? 0) + g
    kpi     other     = f ?? g
    kpi     load      = f / s
    kpi     ratio     % = s / s2
    kpi     either    = (f ?? 0) + (g ?? 0)
    kpi     nested    = (f ?? 0) ?? g
    kpi     hours     = sum((m ?? 0) * 2)
    kpi     growth    = s - prev(s)
    kpi     more      = f - prev(f)
    kpi     more_of_load = f / s - prev(f) / prev(s)
    kpi     at_least  = f - (prev(f) ?? 0)
    kpi     former    = (prev(s) ?? 0) + s
    kpi     since     = sum((f ?? 0)) - (prev(s) ?? 0)
    kpi     weighted  = sum(m * s) / s
    kpi     online    % = split{channel=online,level} / split{level}
    kpi     spread    = max(f, g) - min(f, g) + abs(f - g)
    kpi     broken_rate % = broken / g
    kpi     squared   = f ^ 2 / g
    kpi     root      = n ^ 0.5
    kpi     counter_share % = dated{way=counter} / dated
    kpi     a_day     = f / days()
    kpi     level_a_day = s / days()
    kpi     minutes   = sum(m * days())
    kpi     choice    = if(f < g, f, g * 2)
    kpi     safe      = if(g == 0, 0, f / g)
    kpi     divided   = if(f / g < 1, 1, 2)
    kpi     back2     = f - prev(f, 2)
    kpi     level_back2 = s - prev(s, 2)
    kpi     yearly    = f - year_before(f)
    kpi     level_yearly = s - year_before(s)
    kpi     broken_yearly = broken - year_before(broken)
    kpi     best      % = max(rate, ratio)
    kpi     rate_of_rates = rate / plain
    kpi     gain      % = rate - prev(rate)
    kpi     online_three % = online{level=three}
    kpi     offline   % = 1 - online{level}
";
const ONE: &str = "a";
const TWO: &str = "p; a p; b p";
const THREE: &str = "p; a p; b p; c p";
/// A province, a district with two communes, and a commune beside the district.
const DEEP: &str = "p; d p; a d; b d; c p";
/// Two communes of a province merge, and one stays.
const MERGE: &str = "p; a p ..2021-01 ab; b p ..2021-01 ab; ab p 2021-02..; c p";

fn case(units: &str, figures: &str) -> Case {
    Case::new(CATALOGUE, units, figures)
}
