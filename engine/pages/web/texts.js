// What the page says, in two languages, and how it writes numbers and times.

export const TEXTS = {
  en: {
    locale: 'en-GB', html: 'en', gap: ' ', other: '中文', otherLang: 'zh', title: 'Flash sale',
    claim: 'Get the coupon', another: 'Get another one', retry: 'Try again', ask: 'Ask again', busy: 'One moment …',
    facts: (left, total, each) => `${left} of ${total} left · ${each} per person`, days: (n) => `${n}d `,
    window: (span) => span, held: (mine, limit, each) => (limit === 1 ? 'You have this coupon.' : `You have ${mine} of ${each}.`),
    loading: 'Loading …', open: 'The sale is open.', waiting: 'The sale has not begun.',
    sending: 'Your claim is on its way …', retrying: 'No clear answer yet. Asking again: you cannot get two by it.',
    claimed: 'It is yours. Waiting for the final confirmation …',
    slow: 'It is yours. The final confirmation takes longer than usual; you need not do anything.',
    settled: 'Confirmed. The coupon is yours.', refused: 'The final check refused this claim. Nothing was taken from you.',
    lost: 'Your claim is not known here any more.', declined: 'This claim cannot be accepted. Nothing was taken from you.',
    PAUSED: 'The sale is paused. Nothing was taken.', SOLD_OUT: 'Sold out. A return may free one: look again later.',
    LIMIT_REACHED: 'You already have all that one person may have.', ENDED: 'The sale is over.', COUPON_NOT_FOUND: 'There is no such coupon.',
    UNAUTHENTICATED: 'Please sign in first.', INVALID_REQUEST: 'Your sign-in is not valid. Please sign in again.',
    UNKNOWN: 'We do not know yet what became of your claim. Ask again: you cannot get two by it.',
    BUSY: 'Too many people at once. Nothing was taken: try again.',
    away: 'The shop does not answer. Nothing was claimed; trying again …',
    awayKept: 'The shop does not answer. If your claim arrived, it is kept; asking again …',
    fault: 'Something went wrong in this page. Please reload it: what you have is shown then.', claimId: 'Claim',
  },
  zh: {
    locale: 'zh-CN', html: 'zh-CN', gap: '', other: 'English', otherLang: 'en', title: '限时抢购',
    claim: '领取优惠券', another: '再领一张', retry: '重试', ask: '再次查询', busy: '请稍候……',
    facts: (left, total, each) => `剩余 ${left} / ${total} · 每人限领 ${each} 张`, days: (n) => `${n} 天 `,
    window: (span) => `活动时间：${span}`, held: (mine, limit, each) => (limit === 1 ? '您已拥有这张优惠券。' : `您已领取 ${mine} / ${each} 张。`),
    loading: '加载中……', open: '活动进行中。', waiting: '活动尚未开始。',
    sending: '正在提交……', retrying: '暂未收到明确结果，正在再次确认，不会重复领取。',
    claimed: '已抢到，等待最终确认……', slow: '已抢到。最终确认比平时慢，您无需任何操作。',
    settled: '已确认，优惠券归您所有。', refused: '最终核对未通过，未占用您的名额。', lost: '这里已查不到您的这次领取。',
    declined: '本次领取未被接受，未占用您的名额。',
    PAUSED: '活动已暂停，未占用名额。', SOLD_OUT: '已抢光。如有退回会再次放出，请稍后再看。',
    LIMIT_REACHED: '您已达到领取上限。', ENDED: '活动已结束。', COUPON_NOT_FOUND: '没有这张优惠券。',
    UNAUTHENTICATED: '请先登录。', INVALID_REQUEST: '登录信息无效，请重新登录。',
    UNKNOWN: '暂时无法得知领取结果。请再次查询，不会重复领取。', BUSY: '当前人数过多，未占用名额，请重试。',
    away: '暂时无法连接，未领取任何优惠券，正在重试……', awayKept: '暂时无法连接。若您的领取已送达，名额会保留；正在再次查询……',
    fault: '页面出现错误，请刷新页面，刷新后会显示您已领取的优惠券。', claimId: '领取编号',
  },
};

// A locale of the reader's own within the language, so that 1,000 and 30 Nov are written as he is used to.
export function localeOf(language, preferred) {
  return preferred?.startsWith(language) ? preferred : TEXTS[language].locale;
}

export function windowText(beginsAtMs, endsAtMs, locale, timeZone) {
  const format = new Intl.DateTimeFormat(locale, {
    year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short', timeZone,
  });
  return format.formatRange(new Date(beginsAtMs), new Date(endsAtMs));
}
